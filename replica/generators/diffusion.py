"""Diffusion over codes by masking: spans are hidden one after the other until none is left, and learned back.

The absorbing diffusion of D3PM (Austin et al. 2021) in the form that needs no time: given which spans are still
hidden, how long it took says nothing more (Ou et al. 2024), and the bound on the likelihood is that of a model that is
autoregressive in every order (Hoogeboom et al. 2022; MDLM, Sahoo et al. 2024). One net therefore gives each hidden
span given any others. Rows are made by revealing spans in an order drawn anew for each row.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from replica.generators.base import Spans
from replica.generators.nets import Known, SpanBlocks, blocks, draw
from replica.generators.pieces import LikelyNet, PieceGenerator, PieceNet, Rows
from replica.generators.training import Pace

_BLOCKS = 1
# Spans are revealed a group at a time, where there are more than this.
_STEPS = 24


@dataclass(frozen=True)
class Diffusion(PieceGenerator):
    """A fitted model."""

    @staticmethod
    def _net_type() -> type[PieceNet]:
        return _Net


class _Net(LikelyNet):
    """What is known is embedded and summed; every span that is hidden is read off that state by a block of its own."""

    _pace = Pace(rate=6e-3, decay=0.05, more=2.0)

    def __init__(self, spans: Spans, context: Spans, width: int, generator: torch.Generator) -> None:
        super().__init__(spans, context, width, generator)
        self.known = Known(spans, context, width, generator)
        self.trunk = blocks(_BLOCKS, width, generator)
        self.blocks = SpanBlocks(len(spans), width, generator)

    @staticmethod
    def width_for(rows: int) -> int:
        """See :meth:`replica.generators.pieces.PieceNet.width_for`."""
        return int(np.select([rows < 2_000, rows < 10_000, rows < 200_000], [48, 64, 96], 128))

    def _state(self, rows: Rows, known: torch.Tensor) -> torch.Tensor:
        state: torch.Tensor = self.trunk(self.known(rows.above, rows.codes, known))
        return state

    def loss(self, rows: Rows, generator: torch.Generator) -> torch.Tensor:
        """The bound on the negative log likelihood of the wanted spans, with a random number of them hidden."""
        piece = rows.piece
        total = piece.wanted.sum(dim=1, keepdim=True)
        shown = (torch.rand(len(rows), 1, generator=generator, device=generator.device) * total).floor()
        hidden = piece.wanted * (_ranks(piece.wanted, generator) >= shown)
        seen = self.blocks.of(slice(None), self._state(rows, piece.known + piece.wanted - hidden))
        weight = total / (total - shown)
        return (self.heads.loss(seen, rows.codes) * hidden * weight).sum(dim=1).mean()

    @torch.no_grad()
    def sample(self, rows: Rows, generator: torch.Generator) -> torch.Tensor:
        """See :meth:`replica.generators.pieces.PieceNet.sample`."""
        wanted, codes = rows.piece.wanted, rows.codes
        total = int(wanted[:1].sum())
        rank = _ranks(wanted, generator)
        bounds = np.unique(np.linspace(0, total, min(total, _STEPS) + 1).round()).tolist()
        for first, last in pairwise(bounds):
            state = self._state(rows, rows.piece.known + wanted * (rank < first))
            now = (wanted * ((rank >= first) & (rank < last))).bool()
            for i in torch.nonzero(now.any(dim=0)).flatten().tolist():
                at = now[:, i]
                codes[at, i] = draw(self.heads.of(i, self.blocks.of(i, state[at])), generator)
        return codes


def _ranks(wanted: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A random order of the wanted spans of each row: 0 for the first; shape (rows, spans)."""
    order = torch.rand(wanted.shape, generator=generator, device=generator.device) + (1 - wanted) * 2
    return order.argsort(dim=1).argsort(dim=1)
