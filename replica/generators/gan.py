"""Conditional generative adversarial network over codes: a generator, and a critic that tells its rows from real ones.

CTGAN (Xu et al. 2019) and CTAB-GAN+ (Zhao et al. 2024), over codes instead of mixtures of Gaussians. The critic is a
Wasserstein one with gradient penalty (Gulrajani et al. 2017) that sees rows in packs (PacGAN, Lin et al. 2018) beside
their condition: the context and the spans before those that are drawn. The generator gives codes by straight-through
Gumbel-softmax (Jang et al. 2017). Beside the critic stands what CTAB-GAN+ calls the loss of information, here of second
order: the shares of all pairs of codes in a batch, real against made, a maximum mean discrepancy with the square of the
inner product as its kernel (Gretton et al. 2012).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from replica.generators.base import Encoded, FitOptions, Spans
from replica.generators.nets import Dense, Known, blocks, starts_of
from replica.generators.pieces import Lesson, PieceGenerator, PieceNet, Rows
from replica.generators.training import Average, Gradients, Task, clock, fused, put

_RATE = 8e-3
_MOMENTA = (0.0, 0.9)
_DECAY = 1e-4
# Steps for a table of 3,000 rows or more.
_STEPS = 1200
# Fewer rows than this are learned in smaller batches by a smaller net.
_FEW = 10_000
_NOISE = 32
_PACK = 8
_TEMPERATURE = 0.5
_PENALTY = 10.0
_PAIRS = 10.0
# Codes rarer than this hardly count for more.
_RARE = 0.02
# Size of what is known of a row beside the noise, which has 1.
_TOLD = 2.5


@dataclass(frozen=True)
class Gan(PieceGenerator):
    """A fitted model: the generator alone, since the critic is not needed any more."""

    @staticmethod
    def _net_type() -> type[PieceNet]:
        return _Net


class _Net(PieceNet):
    """The generator: noise and condition to distributions over codes.

    Attributes:
        span_of: the span of each code; shape (codes of all spans,).
    """

    span_of: torch.Tensor
    # At rest there no noise would matter.
    _spread = 1.0

    def __init__(self, spans: Spans, context: Spans, width: int, generator: torch.Generator) -> None:
        super().__init__(spans, context, width, generator)
        self.condition = Known(spans, context, width, generator, scale=_TOLD * (len(spans) + len(context)) ** -0.5)
        self.noise = Dense(_NOISE, width, generator)
        self.trunk = blocks(2, width, generator)
        sizes = torch.tensor([span.cardinality for span in spans])
        self.register_buffer("span_of", torch.arange(len(spans)).repeat_interleave(sizes), persistent=False)

    @staticmethod
    def width_for(rows: int) -> int:
        """See :meth:`replica.generators.pieces.PieceNet.width_for`."""
        return 64 if rows < _FEW else 128

    def learn(self, lesson: Lesson) -> None:
        """See :meth:`replica.generators.pieces.PieceNet.learn`."""
        _play(_Game.of(self, lesson), lesson)

    def _state(self, rows: Rows, generator: torch.Generator) -> torch.Tensor:
        noise = torch.randn(len(rows), _NOISE, generator=generator, device=generator.device)
        state: torch.Tensor = self.trunk(self.noise(noise) + self.condition(rows.above, rows.codes, rows.piece.known))
        return state

    def soft_codes(self, rows: Rows, generator: torch.Generator) -> torch.Tensor:
        """Draws codes of all spans as indicators that pass gradients on: shape (rows, codes of all spans)."""
        parts = []
        for logits in self.heads(self._state(rows, generator)):
            uniform = torch.rand(logits.shape, generator=generator, device=generator.device).clamp_(1e-9, 1 - 1e-7)
            soft = torch.softmax((logits - torch.log(-torch.log(uniform))) / _TEMPERATURE, dim=1)
            hard = functional.one_hot(soft.argmax(dim=1), soft.shape[1])
            parts.append(hard + soft - soft.detach())
        return torch.cat(parts, dim=1)

    @torch.no_grad()
    def sample(self, rows: Rows, generator: torch.Generator) -> torch.Tensor:
        """See :meth:`replica.generators.pieces.PieceNet.sample`."""
        return self.draw_wanted(self._state(rows, generator), rows, generator)


class _Critic(nn.Module):
    """How real packs of rows look."""

    def __init__(self, spans: Spans, context: Spans, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.condition = Known(spans, context, width, generator)
        size = sum(span.cardinality for span in spans)
        # Of the indicators of a span only one is 1, so that their weights are those of embeddings.
        self.see = Dense(size, width, generator, scale=(size / len(spans)) ** 0.5)
        self.layers = nn.ModuleList(
            [Dense(width * _PACK, 2 * width, generator), Dense(2 * width, width, generator), Dense(width, 1, generator)]
        )

    def forward(self, indicators: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Returns a figure per pack: shape (rows / pack,)."""
        state = self.see(indicators) + condition
        state = state.reshape(len(state) // _PACK, -1)
        for layer in self.layers:
            state = layer(functional.leaky_relu(state, 0.2))
        figures: torch.Tensor = state.squeeze(1)
        return figures


@dataclass(frozen=True)
class _Pairs:
    """Compares the shares of all pairs of codes, of rows and of their context.

    Attributes:
        codes: the weight of each code; shape (codes of all spans,).
        above: likewise of each code of the context.
        starts: where the codes of each span of the context begin.
    """

    codes: torch.Tensor
    above: torch.Tensor
    starts: torch.Tensor

    @classmethod
    def of(cls, rows: Encoded, context: Encoded, device: torch.device) -> Self:
        """Weighs codes so that rare ones count: nearly by the inverse of their share, as in a chi-squared distance."""
        codes, above = (_rarities(each).to(device) for each in (rows, context))
        return cls(codes, above, starts_of(context.spans).to(device))

    def apart(self, made: torch.Tensor, real: torch.Tensor, above: torch.Tensor) -> torch.Tensor:
        """Returns the sum of the squares of differences, per span."""
        # Rows are fewer than codes, so the squares come cheaper from inner products of rows.
        shared = made.new_zeros(len(above), len(above))
        for codes, weights in zip(above.T, self.above[above + self.starts].T, strict=True):
            shared += (codes[:, None] == codes) * weights
        left = made * self.codes, real * self.codes
        own, across, apart = (
            (a @ b.T + shared).square().mean() for a, b in ((left[0], made), (left[0], real), (left[1], real))
        )
        return (own - 2 * across + apart) / real[0].sum()


def _rarities(found: Encoded) -> torch.Tensor:
    shares = [np.bincount(found.codes[:, i], minlength=s.cardinality) / len(found) for i, s in enumerate(found.spans)]
    return torch.from_numpy(1 / (np.concatenate([np.zeros(0), *shares]) + _RARE)).float()


@dataclass(frozen=True)
class _Game:
    """Both players.

    Attributes:
        net: the generator.
        critic: the critic.
        pairs: what compares their rows beside the critic.
        stream: the random stream of both.
    """

    net: _Net
    critic: _Critic
    pairs: _Pairs
    stream: torch.Generator

    @classmethod
    def of(cls, net: _Net, lesson: Lesson) -> Self:
        """Returns the game of a generator against a critic as wide."""
        critic = _Critic(lesson.rows.spans, lesson.context.spans, net.width, lesson.stream)
        pairs = _Pairs.of(lesson.rows, lesson.context, lesson.stream.device)
        return cls(net, critic.to(lesson.stream.device), pairs, lesson.stream)

    def critic_loss(self, rows: Rows) -> torch.Tensor:
        """How badly the critic tells made rows from real ones, and how far its slope is from 1 between them."""
        real = _indicators(rows, self.net.heads.sizes)
        with torch.no_grad():
            made = self._made(rows, real)
        condition = self.critic.condition(rows.above, rows.codes, rows.piece.known)
        gap = self.critic(made, condition).mean() - self.critic(real, condition).mean()
        mix = torch.rand(len(rows) // _PACK, 1, generator=self.stream, device=self.stream.device)
        mix = mix.repeat_interleave(_PACK, dim=0)
        between = (made * mix + real * (1 - mix)).requires_grad_()
        figures = self.critic(between, condition.detach())
        (slope,) = torch.autograd.grad(figures.sum(), between, create_graph=True)
        steepness = (slope * self._wanted(rows)).reshape(len(figures), -1).norm(dim=1)
        loss: torch.Tensor = gap + _PENALTY * ((steepness - 1) ** 2).mean()
        return loss

    def generator_loss(self, rows: Rows) -> torch.Tensor:
        """How far made rows are from what the critic takes for real, and their pairs from the real ones."""
        real = _indicators(rows, self.net.heads.sizes)
        made = self._made(rows, real)
        with torch.no_grad():
            condition = self.critic.condition(rows.above, rows.codes, rows.piece.known)
        loss: torch.Tensor = _PAIRS * self.pairs.apart(made, real, rows.above) - self.critic(made, condition).mean()
        return loss

    def _made(self, rows: Rows, real: torch.Tensor) -> torch.Tensor:
        """Rows with their wanted spans made, as indicators."""
        wanted = self._wanted(rows)
        return self.net.soft_codes(rows, self.stream) * wanted + real * (1 - wanted)

    def _wanted(self, rows: Rows) -> torch.Tensor:
        return rows.piece.wanted[:, self.net.span_of]


def _indicators(rows: Rows, sizes: list[int]) -> torch.Tensor:
    """Rows as indicators of codes: (rows, codes of all spans)."""
    return torch.cat([functional.one_hot(rows.codes[:, i], size) for i, size in enumerate(sizes)], dim=1).float()


def _steps(rows: int, options: FitOptions) -> int:
    return max(10, int(_STEPS * min(1.0, (rows / 3_000) ** 0.5) * options.effort))


def _play(game: _Game, lesson: Lesson) -> None:
    """Moves critic and generator in turn, at a rate that falls in the second half; the generator's average is kept.

    There is no likelihood to stop by, so that all steps are taken.
    """
    n, stream, examples = len(lesson.rows), game.stream, lesson.examples()
    size, steps = 256 if n < _FEW else 512, _steps(n, lesson.options)
    players = [
        _Player.of(Task(n, lambda at: game.critic_loss(examples.at(at, stream)), game.critic, stream), steps),
        _Player.of(Task(n, lambda at: game.generator_loss(examples.at(at, stream)), game.net, stream), steps),
    ]
    average, late = Average(game.net), clock(lesson.options.max_seconds)
    for _ in range(steps):
        for player in players:
            player.move(torch.randint(n, (size,), generator=stream, device=stream.device))
        average.follow()
        if late():
            break
    put(game.net, average.weights)


@dataclass(frozen=True)
class _Player:
    """Who takes a step when it is their turn."""

    gradients: Gradients
    optimizer: torch.optim.Optimizer
    falling: torch.optim.lr_scheduler.LRScheduler

    @classmethod
    def of(cls, task: Task, steps: int) -> Self:
        """Returns who fits the net of a task, in so many steps."""
        optimizer = torch.optim.AdamW(
            task.net.parameters(), lr=_RATE, betas=_MOMENTA, weight_decay=_DECAY, fused=fused(task.net)
        )
        falling = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, 2 - 2 * step / steps))
        return cls(Gradients(task), optimizer, falling)

    def move(self, at: torch.Tensor) -> None:
        """Takes a step, by the rows at some places."""
        self.gradients.find(at)
        self.optimizer.step()
        self.falling.step()
