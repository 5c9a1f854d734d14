"""Variational autoencoder of rows, conditional on their context and on the spans before those that are drawn.

TVAE (Xu et al. 2019) with what was learned since. All spans are codes, so every decoder is a softmax. The divergence
weighs little (Higgins et al. 2017; TabSyn, Zhang et al. 2024), since with its full weight the latents say nothing and
columns come out independent. That leaves latents far from a normal distribution, so what they are drawn from is learned
with the rest: a normalizing flow given the same condition (Chen et al. 2017).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from replica.generators.base import Spans
from replica.generators.nets import Dense, Known, blocks
from replica.generators.pieces import LikelyNet, PieceGenerator, PieceNet, Rows
from replica.generators.training import Pace

_BLOCKS = 1
_LATENTS = 16
_COUPLINGS = 4
# The weight of the divergence.
_BETA = 0.2
# Size of what is known of a row.
_TOLD = 1.0


@dataclass(frozen=True)
class Vae(PieceGenerator):
    """A fitted model; the encoder is kept with it."""

    @staticmethod
    def _net_type() -> type[PieceNet]:
        return _Net


class _Net(LikelyNet):
    """Encoder, prior and decoder; each sees what is known of a row in embeddings of its own."""

    _pace = Pace(rate=6e-3, decay=0.1, more=3.0)
    # At rest there no latent would matter.
    _spread = 1.0

    def __init__(self, spans: Spans, context: Spans, width: int, generator: torch.Generator) -> None:
        super().__init__(spans, context, width, generator)
        self.row = Known(spans, context, width, generator)
        self.encoder = blocks(_BLOCKS, width, generator)
        self.posterior = Dense(width, 2 * _LATENTS, generator, scale=0.1)
        self.condition = Known(spans, context, width, generator, scale=_TOLD)
        self.prior = _Flow(_LATENTS, width, generator)
        self.latent = Dense(_LATENTS, width, generator)
        self.decoder = blocks(_BLOCKS, width, generator)

    @staticmethod
    def width_for(rows: int) -> int:
        """See :meth:`replica.generators.pieces.PieceNet.width_for`."""
        return int(np.select([rows < 2_000, rows < 200_000], [64, 128], 192))

    def loss(self, rows: Rows, generator: torch.Generator) -> torch.Tensor:
        """The mean over rows of the negative evidence lower bound of the wanted spans (Kingma and Welling 2014)."""
        known, wanted = rows.piece.known, rows.piece.wanted
        seen = self.encoder(self.row(rows.above, rows.codes, known + wanted))
        mean, spread = self.posterior(seen).chunk(2, dim=1)
        log_std = 3 * torch.tanh(spread / 3) - 1
        noise = torch.randn(mean.shape, generator=generator, device=generator.device)
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
        return self.draw_wanted(state, rows, generator)


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
        total = z.new_zeros(len(z))
        for i in range(_COUPLINGS):
            shift, scale = self._step(i, still, condition)
            still, moved = (moved - shift) * (-scale).exp(), still
            total = total - scale.sum(dim=1)
        return total - (still**2 + moved**2).sum(dim=1) / 2

    def draw(self, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Draws latents: (rows, latents)."""
        condition = self.norm(condition)
        noise = torch.randn(len(condition), self.size, generator=generator, device=generator.device)
        still, moved = noise.chunk(2, dim=1)
        for i in reversed(range(_COUPLINGS)):
            shift, scale = self._step(i, moved, condition)
            still, moved = moved, still * scale.exp() + shift
        return torch.cat([still, moved], dim=1)
