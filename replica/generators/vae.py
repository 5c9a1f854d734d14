"""Variational autoencoder of rows, conditional on their context and on the spans before those that are drawn.

TVAE (Xu et al. 2019) with what was learned since. All spans are codes, so every decoder is a softmax. The divergence
weighs little (Higgins et al. 2017; TabSyn, Zhang et al. 2024), since with its full weight the latents say nothing and
columns come out independent. That leaves latents far from a normal distribution, so what they are drawn from is learned
with the rest: a normalizing flow given the same condition (Chen et al. 2017).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import nn

from replica.generators.base import Encoded, FitOptions, Spans
from replica.generators.nets import Dense, Heads, Known, blocks, draw
from replica.generators.pieces import PieceGenerator, PieceNet, Rows, example_rows, weights_of
from replica.generators.training import Task, torch_generator, train, use_one_thread

_RATE = 6e-3
_DECAY = 0.1
_BLOCKS = 1
_LATENTS = 16
_COUPLINGS = 4
# The weight of the divergence.
_BETA = 0.2
# How many more steps of learning than the default family takes.
_MORE = 3.0
# How far the logits are from those of independent columns when learning begins: at rest there no latent would matter.
_SPREAD = 1.0
_TOLD = 1.0


@dataclass(frozen=True)
class Vae(PieceGenerator):
    """A fitted model; the encoder is kept with it."""

    @classmethod
    def fit(cls, rows: Encoded, context: Encoded, options: FitOptions, rng: np.random.Generator) -> Self:
        """See :meth:`replica.generators.base.TableGenerator.fit`."""
        use_one_thread()
        width, generator = _width(len(rows)), torch_generator(rng)
        net = _Net(rows.spans, context.spans, width, generator)
        net.heads.start_from(rows)
        examples = example_rows(rows, context)

        def loss(at: torch.Tensor) -> torch.Tensor:
            # Rows that judge are judged in the same way every time.
            stream = generator if net.training else torch.Generator().manual_seed(0)
            return net.loss(examples(at, stream), stream)

        options = replace(options, effort=options.effort * _MORE)
        train(Task(len(rows), loss, net), options, rng, rate=_RATE, decay=_DECAY)
        return cls(rows.spans, context.spans, width, weights_of(net))

    def _build(self) -> _Net:
        return _Net(self.spans, self.context, self.width, torch.Generator())


def _width(rows: int) -> int:
    return int(np.select([rows < 2_000, rows < 200_000], [64, 128], 192))


class _Net(PieceNet):
    """Encoder, prior and decoder; each sees what is known of a row in embeddings of its own."""

    def __init__(self, spans: Spans, context: Spans, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.row = Known(spans, context, width, generator)
        self.encoder = blocks(_BLOCKS, width, generator)
        self.posterior = Dense(width, 2 * _LATENTS, generator, scale=0.1)
        self.condition = Known(spans, context, width, generator, scale=_TOLD)
        self.prior = _Flow(_LATENTS, width, generator)
        self.latent = Dense(_LATENTS, width, generator)
        self.decoder = blocks(_BLOCKS, width, generator)
        self.heads = Heads(spans, width, generator, scale=_SPREAD)

    def loss(self, rows: Rows, generator: torch.Generator) -> torch.Tensor:
        """The mean over rows of the negative evidence lower bound of the wanted spans (Kingma and Welling 2014)."""
        known, wanted = rows.piece.known, rows.piece.wanted
        seen = self.encoder(self.row(rows.above, rows.codes, known + wanted))
        mean, spread = self.posterior(seen).chunk(2, dim=1)
        log_std = 3 * torch.tanh(spread / 3) - 1
        noise = torch.randn(mean.shape, generator=generator)
        condition = self.condition(rows.above, rows.codes, known)
        z = mean + log_std.exp() * noise
        # Both densities without the constant that they share.
        divergence = (-log_std - noise**2 / 2).sum(dim=1) - self.prior.log_density(z, condition)
        told = (self.heads.loss(self._decode(z, condition), rows.codes) * wanted).sum(dim=1)
        return (told + _BETA * divergence).mean()

    def _decode(self, z: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """What the heads see of latents: (rows, width)."""
        state: torch.Tensor = self.decoder(self.latent(z) + condition)
        return state

    @torch.no_grad()
    def sample(self, rows: Rows, generator: torch.Generator) -> torch.Tensor:
        """See :meth:`replica.generators.pieces.PieceNet.sample`."""
        condition = self.condition(rows.above, rows.codes, rows.piece.known)
        state = self._decode(self.prior.draw(condition, generator), condition)
        for i in torch.nonzero(rows.piece.wanted[:1].sum(dim=0)).flatten().tolist():
            rows.codes[:, i] = draw(self.heads.of(i, state), generator)
        return rows.codes


class _Flow(nn.Module):
    """A distribution over latents given a condition: affine couplings of halves in turn (RealNVP, Dinh et al. 2017)."""

    def __init__(self, size: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        half = size // 2
        self.size = size
        self.see = nn.ModuleList([Dense(half, width, generator) for _ in range(_COUPLINGS)])
        self.norm = nn.LayerNorm(width)
        self.block = nn.ModuleList([blocks(1, width, generator) for _ in range(_COUPLINGS)])
        self.move = nn.ModuleList([Dense(width, 2 * half, generator, scale=0.0) for _ in range(_COUPLINGS)])

    def _step(self, i: int, still: torch.Tensor, condition: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        shift, scale = self.move[i](self.block[i](self.see[i](still) + condition)).chunk(2, dim=1)
        return shift, 2 * torch.tanh(scale / 2)

    def log_density(self, z: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Returns the log density without its constant: shape (rows,)."""
        condition = self.norm(condition)
        still, moved = z.chunk(2, dim=1)
        total = torch.zeros(len(z))
        for i in range(_COUPLINGS):
            shift, scale = self._step(i, still, condition)
            still, moved = (moved - shift) * (-scale).exp(), still
            total = total - scale.sum(dim=1)
        return total - (still**2 + moved**2).sum(dim=1) / 2

    def draw(self, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Draws latents: (rows, latents)."""
        condition = self.norm(condition)
        still, moved = torch.randn(len(condition), self.size, generator=generator).chunk(2, dim=1)
        for i in reversed(range(_COUPLINGS)):
            shift, scale = self._step(i, moved, condition)
            still, moved = moved, still * scale.exp() + shift
        return torch.cat([still, moved], dim=1)
