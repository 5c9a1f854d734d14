"""Conditional generative adversarial network over codes: a generator, and a critic that tells its rows from real ones.

CTGAN (Xu et al. 2019) and CTAB-GAN+ (Zhao et al. 2024), over codes instead of mixtures of Gaussians. The critic is a
Wasserstein one with gradient penalty (Gulrajani et al. 2017) that sees rows in packs (PacGAN, Lin et al. 2018) beside
their condition: the context and the spans before those that are drawn. The generator gives codes by straight-through
Gumbel-softmax (Jang et al. 2017). Beside the critic stands what CTAB-GAN+ calls the loss of information, here of second
order: the shares of all pairs of codes in a batch, real against made, a maximum mean discrepancy with the square of the
inner product as its kernel (Gretton et al. 2012).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from replica.generators.base import Encoded, FitOptions, Spans
from replica.generators.nets import Dense, Heads, Known, blocks, draw, starts_of
from replica.generators.pieces import PieceGenerator, PieceNet, Rows, example_rows, weights_of
from replica.generators.training import clock, copy_of, follow, put, torch_generator, use_one_thread

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
# How far the logits are from those of independent columns when learning begins: at rest there no latent would matter.
_SPREAD = 1.0
# Size of what is known of a row beside the noise, which has 1.
_TOLD = 2.5


@dataclass(frozen=True)
class Gan(PieceGenerator):
    """A fitted model: the generator alone, since the critic is not needed any more."""

    @classmethod
    def fit(cls, rows: Encoded, context: Encoded, options: FitOptions, rng: np.random.Generator) -> Self:
        """See :meth:`replica.generators.base.TableGenerator.fit`."""
        use_one_thread()
        width, generator = _width(len(rows)), torch_generator(rng)
        net = _Net(rows.spans, context.spans, width, generator)
        net.heads.start_from(rows)
        game = _Game(net, _Critic(rows.spans, context.spans, width, generator), _Pairs.of(rows, context), generator)
        examples = example_rows(rows, context)
        size = 256 if len(rows) < _FEW else 512

        def batch() -> Rows:
            return examples(torch.randint(len(rows), (size,), generator=generator), generator)

        _play(game, batch, _steps(len(rows), options), clock(options.max_seconds))
        return cls(rows.spans, context.spans, width, weights_of(net))

    def _build(self) -> _Net:
        return _Net(self.spans, self.context, self.width, torch.Generator())


def _width(rows: int) -> int:
    return 64 if rows < _FEW else 128


class _Net(PieceNet):
    """The generator: noise and condition to distributions over codes."""

    def __init__(self, spans: Spans, context: Spans, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.condition = Known(spans, context, width, generator, scale=_TOLD * (len(spans) + len(context)) ** -0.5)
        self.noise = Dense(_NOISE, width, generator)
        self.trunk = blocks(2, width, generator)
        self.heads = Heads(spans, width, generator, scale=_SPREAD)

    def _state(self, rows: Rows, generator: torch.Generator) -> torch.Tensor:
        noise = torch.randn(len(rows), _NOISE, generator=generator)
        state: torch.Tensor = self.trunk(self.noise(noise) + self.condition(rows.above, rows.codes, rows.piece.known))
        return state

    def soft_codes(self, rows: Rows, generator: torch.Generator) -> torch.Tensor:
        """Draws codes of all spans as indicators that pass gradients on: shape (rows, codes of all spans)."""
        parts = []
        for logits in self.heads(self._state(rows, generator)):
            uniform = torch.rand(logits.shape, generator=generator).clamp_(1e-9, 1 - 1e-7)
            soft = torch.softmax((logits - torch.log(-torch.log(uniform))) / _TEMPERATURE, dim=1)
            hard = functional.one_hot(soft.argmax(dim=1), soft.shape[1])
            parts.append(hard + soft - soft.detach())
        return torch.cat(parts, dim=1)

    @torch.no_grad()
    def sample(self, rows: Rows, generator: torch.Generator) -> torch.Tensor:
        """See :meth:`replica.generators.pieces.PieceNet.sample`."""
        state = self._state(rows, generator)
        for i in torch.nonzero(rows.piece.wanted[:1].sum(dim=0)).flatten().tolist():
            rows.codes[:, i] = draw(self.heads.of(i, state), generator)
        return rows.codes


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
    def of(cls, rows: Encoded, context: Encoded) -> Self:
        """Weighs codes so that rare ones count: nearly by the inverse of their share, as in a chi-squared distance."""
        codes, above = (_rarities(each) for each in (rows, context))
        return cls(codes, above, torch.from_numpy(starts_of(context.spans)))

    def apart(self, made: torch.Tensor, real: torch.Tensor, above: torch.Tensor) -> torch.Tensor:
        """Returns the sum of the squares of differences, per span."""
        # Rows are fewer than codes, so the squares come cheaper from inner products of rows.
        shared = torch.zeros(len(above), len(above))
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
        generator: the random stream of both.
    """

    net: _Net
    critic: _Critic
    pairs: _Pairs
    generator: torch.Generator

    def critic_loss(self, rows: Rows) -> torch.Tensor:
        """How badly the critic tells made rows from real ones, and how far its slope is from 1 between them."""
        real = _indicators(rows, self.net.heads.sizes)
        with torch.no_grad():
            made = self._made(rows, real)
        condition = self.critic.condition(rows.above, rows.codes, rows.piece.known)
        gap = self.critic(made, condition).mean() - self.critic(real, condition).mean()
        mix = torch.rand(len(rows) // _PACK, 1, generator=self.generator).repeat_interleave(_PACK, dim=0)
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
        return self.net.soft_codes(rows, self.generator) * wanted + real * (1 - wanted)

    def _wanted(self, rows: Rows) -> torch.Tensor:
        return rows.piece.wanted.repeat_interleave(torch.tensor(self.net.heads.sizes), dim=1)


def _indicators(rows: Rows, sizes: list[int]) -> torch.Tensor:
    """Rows as indicators of codes: (rows, codes of all spans)."""
    return torch.cat([functional.one_hot(rows.codes[:, i], size) for i, size in enumerate(sizes)], dim=1).float()


def _steps(rows: int, options: FitOptions) -> int:
    return max(10, int(_STEPS * min(1.0, (rows / 3_000) ** 0.5) * options.effort))


def _play(game: _Game, batch: Callable[[], Rows], steps: int, late: Callable[[], bool]) -> None:
    """Moves critic and generator in turn, at a rate that falls in the second half; the generator's average is kept.

    There is no likelihood to stop by, so that all steps are taken.
    """
    average = copy_of(game.net)
    optimizers = [
        torch.optim.AdamW(each.parameters(), lr=_RATE, betas=_MOMENTA, weight_decay=_DECAY)
        for each in (game.critic, game.net)
    ]
    falling = [
        torch.optim.lr_scheduler.LambdaLR(each, lambda step: min(1.0, 2 - 2 * step / steps)) for each in optimizers
    ]
    for step in range(steps):
        for loss, optimizer, rate in zip((game.critic_loss, game.generator_loss), optimizers, falling, strict=True):
            optimizer.zero_grad(set_to_none=True)
            loss(batch()).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            rate.step()
        follow(average, game.net, step + 1)
        if late():
            break
    put(game.net, average)
