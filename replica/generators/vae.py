"""Variational autoencoder of rows, conditional on their context and on the spans before those that are drawn.

TVAE (Xu et al. 2019) with what was learned since. All spans are codes, so every decoder is a softmax. The divergence
weighs little (Higgins et al. 2017; TabSyn, Zhang et al. 2024), since with its full weight the latents say nothing and
columns come out independent. That leaves latents far from a normal distribution, in as many heaps as there are kinds of
rows, so what they are drawn from is learned with the rest (Chen et al. 2017): one latent after the other, each from a
mixture given those before it and the same condition (RNADE, Uria et al. 2013).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from replica.generators.base import Spans
from replica.generators.nets import Dense, Known, SpanBlocks, blocks, draw, drawn
from replica.generators.pieces import LikelyNet, PieceGenerator, PieceNet, Rows
from replica.generators.training import Pace

_BLOCKS = 1
_LATENTS = 16
# The weight of the divergence.
_BETA = 0.3
# Of the prior: components of each latent's mixture, size of its states, and the frequencies by which it sees latents.
_COMPONENTS = 8
_PRIOR_WIDTH = 96
_FREQUENCIES = (1.0, 2.0, 4.0)
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
        self.prior = _Prior(_LATENTS, width, generator)
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


class _Prior(nn.Module):
    """A distribution over latents given a condition: one after the other, each a mixture of normal distributions."""

    def __init__(self, size: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.condition = nn.Sequential(nn.LayerNorm(width), Dense(width, _PRIOR_WIDTH, generator))
        self.latents = drawn((size, 1 + 2 * len(_FREQUENCIES), _PRIOR_WIDTH), 0.3, generator)
        self.blocks = SpanBlocks(size, _PRIOR_WIDTH, generator)
        self.heads = nn.Parameter(torch.zeros(size, _PRIOR_WIDTH, 3 * _COMPONENTS))
        # The components begin side by side, as at one place they would stay one.
        means = torch.linspace(-1.5, 1.5, _COMPONENTS)
        start = torch.cat([torch.zeros(_COMPONENTS), means, torch.full((_COMPONENTS,), -0.5)])
        self.start = nn.Parameter(start.repeat(size, 1, 1))

    def _told(self, z: torch.Tensor, i: int | slice) -> torch.Tensor:
        """What latents tell those behind them: (rows, ...) to (..., rows, width)."""
        waves = [wave(frequency * z) for frequency in _FREQUENCIES for wave in (torch.sin, torch.cos)]
        return torch.einsum("r...f,...fw->...rw", torch.stack([z, *waves], dim=-1), self.latents[i])

    def _mixture(self, i: int | slice, state: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The components of latents: logarithms of their shares, means and logarithms of their deviations."""
        found = torch.matmul(self.blocks.of(i, state), self.heads[i]) + self.start[i]
        shares, means, spreads = found.chunk(3, dim=-1)
        return torch.log_softmax(shares, dim=-1), means, 4 * torch.tanh(spreads / 4)

    def log_density(self, z: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Returns the log density without its constant: shape (rows,)."""
        told = self._told(z, slice(None))
        before = told.cumsum(dim=0) - told
        shares, means, spreads = self._mixture(slice(None), self.condition(condition) + before)
        apart = (z.T.unsqueeze(2) - means) * (-spreads).exp()
        return torch.logsumexp(shares - spreads - apart**2 / 2, dim=2).sum(dim=0)

    def draw(self, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Draws latents: (rows, latents)."""
        state, found = self.condition(condition), []
        for i in range(len(self.latents)):
            shares, means, spreads = self._mixture(i, state)
            which = draw(shares, generator).unsqueeze(1)
            noise = torch.randn(len(state), 1, generator=generator, device=generator.device)
            z = means.gather(1, which) + spreads.gather(1, which).exp() * noise
            found.append(z)
            state = state + self._told(z.squeeze(1), i)
        return torch.cat(found, dim=1)
