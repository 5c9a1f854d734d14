"""What the families that learn by gradient descent share: how long to learn, in which batches, and when to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from replica.generators.base import FitOptions
from replica.seeds import torch_seed

Indices = npt.NDArray[np.int64]

_DECAY = 0.99
_CLIP = 5.0
# Steps for a table of 46,000 rows, found by the likelihood of held-out rows of eight tables.
_STEPS = 800
_FEWEST_EPOCHS, _MOST_EPOCHS = 4, 60


@dataclass(frozen=True)
class Schedule:
    """How long and in which steps to learn.

    Attributes:
        epochs: passes over the rows.
        batch: rows per step.
        held_out: rows that only judge.
    """

    epochs: int
    batch: int
    held_out: int


def schedule_for(rows: int, options: FitOptions) -> Schedule:
    """Returns a schedule for a number of rows: small tables are seen often in small batches, large ones seldom."""
    batch = int(np.clip(2 ** round(np.log2(max(rows, 1) / 90)), 64, 1024))
    steps = _STEPS * (max(rows, 1) / 46_000) ** 0.3 * options.effort
    epochs = float(np.clip(steps * batch / max(rows, 1), _FEWEST_EPOCHS * options.effort, _MOST_EPOCHS))
    held_out = 0 if rows < 20 else int(np.clip(rows * 0.1, 4, 10_000))
    return Schedule(max(1, round(epochs)), batch, held_out)


def use_one_thread() -> None:
    """Lets torch compute on one thread.

    Tables and chunks of rows run beside each other instead, and sums come out the same however many of them do.
    """
    torch.set_num_threads(1)


@dataclass(frozen=True)
class Task:
    """What is to be learned.

    Attributes:
        rows: how many examples there are.
        loss: the mean loss of some examples, given their places.
        parameters: what is to be fitted.
    """

    rows: int
    loss: Callable[[torch.Tensor], torch.Tensor]
    net: nn.Module


def train(task: Task, options: FitOptions, rng: np.random.Generator, *, rate: float, decay: float) -> float:
    """Fits a net in place, by AdamW under a one-cycle learning rate (Smith and Topin 2018).

    What is kept is the running average of the weights at the epoch with the least loss on rows held out.

    Args:
        task: what to learn.
        options: how long it may take.
        rng: the random stream.
        rate: the highest learning rate.
        decay: the weight decay on matrices.

    Returns:
        The mean loss of the rows held out; 0 where there are none.
    """
    schedule = schedule_for(task.rows, options)
    order = rng.permutation(task.rows)
    held_out, seen = order[: schedule.held_out], order[schedule.held_out :]
    steps = schedule.epochs * -(-len(seen) // schedule.batch)
    optimizer = _optimizer(task.net, rate, decay)
    # The way up takes two steps at least: with one it has no length, and torch divides by it.
    rise = max(0.1, min(0.9, 2 / (steps + 1)))
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps + 1, pct_start=rise)
    average = copy_of(task.net)
    best, kept = float("inf"), average
    done = 0
    late = clock(options.max_seconds)
    for _ in range(schedule.epochs):
        task.net.train()
        for batch in _batches(seen, schedule.batch, rng):
            optimizer.zero_grad(set_to_none=True)
            task.loss(torch.from_numpy(batch)).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(task.net.parameters(), _CLIP)
            optimizer.step()
            cycle.step()
            done += 1
            follow(average, task.net, done)
            if late():
                break
        score = _judge(task, average, held_out)
        if score <= best:
            best, kept = score, {name: value.clone() for name, value in average.items()}
        if late():
            break
    put(task.net, kept)
    task.net.eval()
    return best


def clock(max_seconds: float | None) -> Callable[[], bool]:
    """Returns what tells whether the time is over, from now on."""
    deadline = float("inf") if max_seconds is None else time.monotonic() + max_seconds
    return lambda: time.monotonic() > deadline


def _optimizer(net: nn.Module, rate: float, decay: float) -> torch.optim.Optimizer:
    matrices = [value for value in net.parameters() if value.ndim > 1]
    vectors = [value for value in net.parameters() if value.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=rate, betas=(0.9, 0.99))


def _batches(seen: Indices, size: int, rng: np.random.Generator) -> Iterator[Indices]:
    mixed = rng.permutation(seen)
    for start in range(0, len(mixed), size):
        yield mixed[start : start + size]


def copy_of(net: nn.Module) -> dict[str, torch.Tensor]:
    """Returns a copy of the weights of a net, by name."""
    return {name: value.detach().clone() for name, value in net.named_parameters()}


@torch.no_grad()
def follow(average: dict[str, torch.Tensor], net: nn.Module, step: int) -> None:
    """Moves a running average towards the weights of a net: fast at first, to leave nothing of the start in it."""
    decay = min(_DECAY, step / (step + 9))
    for name, value in net.named_parameters():
        average[name].lerp_(value, 1 - decay)


@torch.no_grad()
def _judge(task: Task, weights: dict[str, torch.Tensor], held_out: Indices) -> float:
    """The loss of the averaged weights on rows held out; without any, later is better."""
    if not len(held_out):
        return 0.0
    current = copy_of(task.net)
    put(task.net, weights)
    task.net.eval()
    parts = [held_out[start : start + 4096] for start in range(0, len(held_out), 4096)]
    total = sum(float(task.loss(torch.from_numpy(part))) * len(part) for part in parts)
    put(task.net, current)
    return total / len(held_out)


@torch.no_grad()
def put(net: nn.Module, weights: dict[str, torch.Tensor]) -> None:
    """Gives a net other weights."""
    for name, value in net.named_parameters():
        value.copy_(weights[name])


def torch_generator(rng: np.random.Generator) -> torch.Generator:
    """Returns torch's own random stream, seeded from numpy's."""
    return torch.Generator().manual_seed(torch_seed(rng))
