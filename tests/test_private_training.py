"""Gradient descent under differential privacy: one subject is one example, whatever hangs on it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.stats import beta
from torch import nn

from replica.privacy.ledger import Entry, epsilon_of, noise_for_steps
from replica.protecting.training import Lesson, Schedule, clipped_sum, rows_by_subject, settle, train

Ints = npt.NDArray[np.int64]


class Line(nn.Module):
    """A net whose loss is linear in its weights, so that a row's gradient is what its code says."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(width))

    def forward(self, codes: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        """The loss of each row."""
        return -(codes.float() * self.weights).sum(dim=1)


def lesson(codes: list[list[int]], subject: list[int], most: int) -> Lesson:
    rows = rows_by_subject(np.array(subject), max(subject) + 1, most)
    nobody = [0] * len(codes[0])
    context = torch.zeros(len(codes) + 1, 0, dtype=torch.int64)
    return Lesson(Line(len(codes[0])), torch.tensor([*codes, nobody]), context, rows)


def test_the_gradient_of_a_subject_is_cut_over_all_tables_together() -> None:
    # Subject 0 has (3, 0) in one table and 4 in the other: a length of 5. Subject 1 has a length of 1.
    tables = [lesson([[1, 0], [2, 0], [0, 1]], [0, 0, 1], 2), lesson([[4], [0]], [0, 1], 1)]
    both = clipped_sum(tables, torch.tensor([0, 1]), 2.0)
    assert torch.allclose(both[0]["weights"], -torch.tensor([3 * 2 / 5, 1.0]))
    assert torch.allclose(both[1]["weights"], -torch.tensor([4 * 2 / 5]))
    nobody = clipped_sum(tables, torch.zeros(0, dtype=torch.int64), 2.0)
    assert not nobody[0]["weights"].any()


@pytest.mark.parametrize("rows", [1, 3, 60])
def test_however_many_rows_a_subject_has_it_moves_no_sum_by_more_than_the_length(rows: int) -> None:
    codes = [[100, 7]] * rows + [[1, 1]]
    tables = [lesson(codes, [0] * rows + [1], rows)]
    there, gone = (clipped_sum(tables, torch.tensor(who), 1.5)[0]["weights"] for who in ([0, 1], [1]))
    assert float((there - gone).norm()) <= 1.5 + 1e-5


def test_a_gradient_that_is_no_number_counts_for_nothing() -> None:
    table = lesson([[1, 1], [1, 0]], [0, 1], 1)

    class Broken(Line):
        def forward(self, codes: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
            return super().forward(codes, _) * torch.where(codes[:, 1] == 1, math.nan, 1.0)

    net = Broken(2)
    summed = clipped_sum([replace(table, net=net)], torch.tensor([0]), 1.0)
    assert not summed[0]["weights"].any()


RUNS, STEPS, NOISE, RATE, DELTA = 10_000, 2, 1.5, 0.5, 1e-2


class Apart(nn.Module):
    """As many weights as there are subjects, each moved by one of them: so many trainings at once."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(RUNS))

    def forward(self, codes: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        """The loss of each row: its code, which may be large, times the weight of its subject."""
        return -codes[:, 1] * self.weights[codes[:, 0]]


def final_weights(pull: int, clip: float) -> npt.NDArray[np.float64]:
    """Where trainings end in which a subject pulls so hard, with the noise that a length of one asks for."""
    numbers = torch.arange(RUNS)
    codes = torch.stack([numbers, torch.full((RUNS,), pull)], dim=1)
    net = Apart()
    table = Lesson(net, codes, torch.zeros(RUNS, 0, dtype=torch.int64), rows_by_subject(np.arange(RUNS), RUNS, 1))
    train([table], Schedule(STEPS, RATE, 10, clip, NOISE / clip, 0.1))
    found: npt.NDArray[np.float64] = net.weights.detach().numpy().astype(np.float64)
    return found


def disproved(there: npt.NDArray[np.float64], gone: npt.NDArray[np.float64]) -> float:
    """The epsilon that runs disprove with a confidence of 99 % (Clopper and Pearson 1934)."""
    half = len(there) // 2
    cuts = np.quantile(np.concatenate([there[:half], gone[:half]]), [0.5, 0.7, 0.9, 0.97])

    def bound(cut: float, which: slice) -> float:
        hits = [int((runs[which] > cut).sum()) for runs in (there, gone)]
        n = len(there[which])
        low = beta.ppf(0.005, hits[0], n - hits[0] + 1) if hits[0] else 0.0
        high = beta.ppf(0.995, hits[1] + 1, n - hits[1]) if hits[1] < n else 1.0
        return math.log(max(low - DELTA, 1e-12) / high)

    best = max(cuts, key=lambda cut: bound(cut, slice(half)))
    return bound(float(best), slice(half, None))


CLAIMED = epsilon_of([Entry("models", "t", 1, NOISE**2, STEPS, RATE, discrete=False)], DELTA)


def test_training_keeps_its_claim() -> None:
    found = disproved(final_weights(1_000, 1.0), final_weights(0, 1.0))
    assert 0.2 * CLAIMED < found <= CLAIMED


def test_an_audit_finds_a_clip_that_is_skipped() -> None:
    # The noise is still that of a length of one, but nothing is cut to it.
    assert disproved(final_weights(1_000, 1e6), final_weights(0, 1e6)) > CLAIMED


def test_the_noise_of_a_training_is_found_before_it_starts() -> None:
    noise = noise_for_steps(0.02, 0.05, 100, (2.0, 1e-6))
    entries = [
        Entry("others", "t", 1, 1 / 0.02, discrete=False),
        Entry("models", "t", 1, noise**2, 100, 0.05, discrete=False),
    ]
    assert 1.9 < epsilon_of(entries, 1e-6) <= 2.0


def test_how_long_to_train_is_settled_by_the_number_of_subjects_alone() -> None:
    few, many = settle(100, 1.0), settle(100_000, 1.0)
    assert few.rate > many.rate
    assert few.steps < many.steps
    assert settle(100_000, 0.5).steps == pytest.approx(many.steps / 2, abs=1)


def test_rows_of_a_subject_stand_together() -> None:
    found = rows_by_subject(np.array([2, 0, 2, 2]), 3, 3)
    assert found.tolist() == [[1, -1, -1], [-1, -1, -1], [0, 2, 3]]
