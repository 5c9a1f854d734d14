"""Gradient descent under differential privacy, in which one example is one subject with all its rows in all tables.

DP-SGD (Abadi et al. 2016): in every step each subject takes part by a coin of its own; its gradient, over the nets of
all tables together, is cut to a length, and noise in proportion to that length hides who took part. As a subject is one
example, there is one length for all tables, and they cost nothing more than a single one would. How many steps there
are, and in which order, is settled before; the last weights are released.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from replica.privacy.noise import coin_flips, normal

Ints = npt.NDArray[np.int64]
Gradients = dict[str, torch.Tensor]

_MOMENTUM = 0.9
_EPOCHS = 1
_FEWEST, _MOST = 16, 256
_SPEED = 0.02


@dataclass(frozen=True)
class Schedule:
    """What is settled before the first step.

    Attributes:
        steps: how many steps there are.
        rate: the chance that a subject takes part in a step.
        subjects: how many subjects there are, about.
        clip: the length that a subject's gradient is cut to.
        noise: standard deviation of the noise, over that length.
        speed: how far a step goes.
    """

    steps: int
    rate: float
    subjects: int
    clip: float
    noise: float
    speed: float


@dataclass(frozen=True)
class Lesson:
    """A net and the rows that it learns from, all on one device.

    Attributes:
        net: gives the loss of each row from its codes and its context.
        codes: shape (rows + 1, spans); the last row is nobody's and stands where a subject has no more.
        context: shape (rows + 1, context spans).
        rows: the rows of each subject, the first ones of them; -1 where it has no more: shape (subjects, most rows).
    """

    net: nn.Module
    codes: torch.Tensor
    context: torch.Tensor
    rows: torch.Tensor


def settle(subjects: int, effort: float) -> Schedule:
    """Settles how long to train, by how many subjects there are about; the noise is still to be filled in.

    Args:
        subjects: how many subjects there are, about.
        effort: 1.0 for the usual number of steps.
    """
    rate = min(0.5, max(_FEWEST, min(_MOST, subjects / 16)) / subjects)
    return Schedule(max(1, round(_EPOCHS * effort / rate)), rate, subjects, clip=1.0, noise=math.inf, speed=_SPEED)


def rows_by_subject(subject: Ints, subjects: int, most: int) -> torch.Tensor:
    """Returns the numbers of each subject's rows, -1 where it has no more: shape (subjects, most).

    Args:
        subject: the subject of each row.
        subjects: how many there are.
        most: the most rows of one subject.
    """
    order = np.argsort(subject, kind="stable")
    ordered = subject[order]
    place = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    found = np.full((subjects, most), -1)
    found[ordered, place] = order
    return torch.from_numpy(found)


def train(lessons: Sequence[Lesson], schedule: Schedule) -> None:
    """Fits nets in place.

    Args:
        lessons: the nets of all tables, with rows of the same subjects.
        schedule: what was settled.
    """
    parameters = [dict(lesson.net.named_parameters()) for lesson in lessons]
    whole = [value for found in parameters for value in found.values()]
    optimizer = torch.optim.SGD(whole, lr=schedule.speed, momentum=_MOMENTUM)
    slowing = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, schedule.steps)
    subjects, device = len(lessons[0].rows), lessons[0].rows.device
    for _ in range(schedule.steps):
        taking_part = torch.from_numpy(np.flatnonzero(coin_flips(subjects, schedule.rate))).to(device)
        summed = clipped_sum(lessons, taking_part, schedule.clip)
        for found, gradients in zip(parameters, summed, strict=True):
            for name, value in found.items():
                noise = normal(value.numel(), schedule.noise * schedule.clip).astype(np.float32)
                noisy = gradients[name] + torch.from_numpy(noise).reshape(value.shape).to(device)
                value.grad = noisy / (schedule.rate * schedule.subjects)
        optimizer.step()
        slowing.step()


def clipped_sum(lessons: Sequence[Lesson], subjects: torch.Tensor, clip: float) -> list[Gradients]:
    """Returns the sum of the subjects' gradients, each cut to a length over all nets together: by net and parameter.

    Args:
        lessons: the nets and rows.
        subjects: numbers of the subjects; maybe none.
        clip: the length.
    """
    total = [{n: torch.zeros_like(p) for n, p in lesson.net.named_parameters()} for lesson in lessons]
    for part in torch.split(subjects, _together(total)):
        if not len(part):
            continue
        each = [_gradients(lesson, part) for lesson in lessons]
        squares = sum(value.flatten(1).square().sum(dim=1) for found in each for value in found.values())
        # Not a number would get past a comparison with the length.
        length = torch.nan_to_num(torch.as_tensor(squares).sqrt(), nan=torch.inf)
        shrink = torch.where(length > clip, clip / length, torch.ones_like(length))
        for summed, found in zip(total, each, strict=True):
            for name, value in found.items():
                summed[name] += torch.einsum("s,s...->...", shrink, torch.nan_to_num(value))
    return total


def _together(parameters: Sequence[Mapping[str, torch.Tensor]]) -> int:
    """How many subjects' gradients are made at once: few enough to stay near the processor."""
    size = sum(value.numel() for found in parameters for value in found.values())
    return int(np.clip(8_000_000 // max(1, size), 1, 256))


def _gradients(lesson: Lesson, subjects: torch.Tensor) -> Gradients:
    """The gradient of the summed loss of each subject's rows: (subjects, ...) by parameter."""
    rows = lesson.rows[subjects]
    there = (rows >= 0).float()
    # -1 is the last row, which is nobody's.
    codes, context = lesson.codes[rows], lesson.context[rows]
    buffers = dict(lesson.net.named_buffers())

    def loss(weights: Gradients, of: torch.Tensor, above: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        losses = functional_call(lesson.net, (weights, buffers), (of, above))
        whole: torch.Tensor = (losses * counts).sum()
        return whole

    weights = {name: value.detach() for name, value in lesson.net.named_parameters()}
    found: Gradients = vmap(grad(loss), in_dims=(None, 0, 0, 0))(weights, codes, context, there)
    return found
