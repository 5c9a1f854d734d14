"""What the families that learn by gradient descent share: how long to learn, in which batches, and when to stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

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
        net: what is fitted, on the device that computes it.
        stream: what the loss draws from while the net learns; None where it draws nothing.
    """

    rows: int
    loss: Callable[[torch.Tensor], torch.Tensor]
    net: nn.Module
    stream: torch.Generator | None = None

    @property
    def device(self) -> torch.device:
        """Where the net lies."""
        return next(self.net.parameters()).device


@dataclass(frozen=True)
class Pace:
    """How fast a family learns.

    Attributes:
        rate: the highest learning rate.
        decay: the weight decay on matrices.
        more: how many times the usual steps it takes.
    """

    rate: float
    decay: float
    more: float = 1.0


def train(task: Task, options: FitOptions, rng: np.random.Generator, pace: Pace) -> float:
    """Fits a net in place, by AdamW under a one-cycle learning rate (Smith and Topin 2018).

    What is kept is the running average of the weights at the epoch with the least loss on rows held out.

    Args:
        task: what to learn.
        options: how long it may take.
        rng: the random stream.
        pace: how fast.

    Returns:
        The mean loss of the rows held out; 0 where there are none.
    """
    schedule = schedule_for(task.rows, replace(options, effort=options.effort * pace.more))
    order = rng.permutation(task.rows)
    held_out, seen = order[: schedule.held_out], order[schedule.held_out :]
    steps = schedule.epochs * -(-len(seen) // schedule.batch)
    optimizer = _optimizer(task.net, pace)
    # The way up takes two steps at least: with one it has no length, and torch divides by it.
    rise = max(0.1, min(0.9, 2 / (steps + 1)))
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, pace.rate, total_steps=steps + 1, pct_start=rise)
    gradients, average = Gradients(task, _CLIP), Average(task.net)
    best, kept = float("inf"), average.weights
    late = clock(options.max_seconds)
    for _ in range(schedule.epochs):
        task.net.train()
        for batch in torch.split(torch.from_numpy(rng.permutation(seen)).to(task.device), schedule.batch):
            gradients.find(batch)
            optimizer.step()
            cycle.step()
            average.follow()
            if late():
                break
        score = _judge(task, average.weights, held_out)
        if score <= best:
            best, kept = score, {name: value.clone() for name, value in average.weights.items()}
        if late():
            break
    put(task.net, kept)
    task.net.eval()
    return best


class Gradients:
    """Finds the gradients of a task.

    On a GPU nets as small as these take longer to be launched than to be computed. So the work of the first batch is
    recorded as one CUDA graph, and done again by a single call for every other batch of that size.
    """

    def __init__(self, task: Task, clip: float | None = None) -> None:
        self._task = task
        self._clip = clip
        self._parameters = list(task.net.parameters())
        self._recorded: tuple[torch.cuda.CUDAGraph, torch.Tensor, list[torch.Tensor | None]] | None = None

    def find(self, at: torch.Tensor) -> None:
        """Puts the gradients of the loss of some examples beside the parameters.

        Args:
            at: places of the examples; shape (rows,).
        """
        if not at.is_cuda:
            self._work(at)
            return
        if self._recorded is None:
            self._recorded = self._record(at)
        graph, seen, found = self._recorded
        if len(at) != len(seen):
            self._work(at)
            return
        seen.copy_(at)
        graph.replay()
        for parameter, gradient in zip(self._parameters, found, strict=True):
            parameter.grad = gradient

    def _work(self, at: torch.Tensor) -> None:
        # Not by backward, which would go on to whatever else the loss was made with.
        found = torch.autograd.grad(self._task.loss(at), self._parameters, allow_unused=True)
        for parameter, gradient in zip(self._parameters, found, strict=True):
            parameter.grad = gradient
        if self._clip is not None:
            nn.utils.clip_grad_norm_(self._parameters, self._clip)

    def _record(self, at: torch.Tensor) -> tuple[torch.cuda.CUDAGraph, torch.Tensor, list[torch.Tensor | None]]:
        seen, graph = at.clone(), torch.cuda.CUDAGraph()
        if self._task.stream is not None:
            graph.register_generator_state(self._task.stream)
        with torch.cuda.device(at.device):
            aside, usual = torch.cuda.Stream(), torch.cuda.current_stream()  # type: ignore[no-untyped-call]
            aside.wait_stream(usual)
            with torch.cuda.stream(aside):
                # What is set up once, such as handles of libraries, must be there before.
                self._work(seen)
            usual.wait_stream(aside)
            with torch.cuda.graph(graph):
                self._work(seen)
        return graph, seen, [parameter.grad for parameter in self._parameters]


class Average:
    """The running average of the weights of a net: it moves fast at first, to leave nothing of the start in it."""

    def __init__(self, net: nn.Module) -> None:
        self._net = net
        self._steps = 0
        self.weights = copy_of(net)

    @torch.no_grad()
    def follow(self) -> None:
        """Moves towards what the weights are now."""
        self._steps += 1
        move = get_ema_multi_avg_fn(min(_DECAY, self._steps / (self._steps + 9)))  # type: ignore[no-untyped-call]
        move(list(self.weights.values()), list(self._net.parameters()), None)


def clock(max_seconds: float | None) -> Callable[[], bool]:
    """Returns what tells whether the time is over, from now on."""
    deadline = float("inf") if max_seconds is None else time.monotonic() + max_seconds
    return lambda: time.monotonic() > deadline


def _optimizer(net: nn.Module, pace: Pace) -> torch.optim.Optimizer:
    matrices = [value for value in net.parameters() if value.ndim > 1]
    vectors = [value for value in net.parameters() if value.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": pace.decay}, {"params": vectors, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    return torch.optim.AdamW(groups, lr=pace.rate, betas=(0.9, 0.99), fused=fused(net))


def fused(net: nn.Module) -> bool | None:
    """True where the step of an optimizer is better one piece of work, as on a GPU; None to leave that to torch."""
    return next(net.parameters()).is_cuda or None


def copy_of(net: nn.Module) -> dict[str, torch.Tensor]:
    """Returns a copy of the weights of a net, by name."""
    return {name: value.detach().clone() for name, value in net.named_parameters()}


@torch.no_grad()
def _judge(task: Task, weights: dict[str, torch.Tensor], held_out: Indices) -> float:
    """The loss of the averaged weights on rows held out; without any, later is better."""
    if not len(held_out):
        return 0.0
    current = copy_of(task.net)
    put(task.net, weights)
    task.net.eval()
    parts = torch.split(torch.from_numpy(held_out).to(task.device), 4096)
    total = sum(float(task.loss(part)) * len(part) for part in parts)
    put(task.net, current)
    return total / len(held_out)


@torch.no_grad()
def put(net: nn.Module, weights: dict[str, torch.Tensor]) -> None:
    """Gives a net other weights."""
    for name, value in net.named_parameters():
        value.copy_(weights[name])


def torch_generator(rng: np.random.Generator, device: torch.device) -> torch.Generator:
    """Returns torch's own random stream on a device, seeded from numpy's."""
    return torch.Generator(device).manual_seed(torch_seed(rng))
