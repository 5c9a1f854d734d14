"""Making rows piece by piece: what the families share that see all spans of a row at once.

A run of spans is drawn given the context and all spans before it, then the caller fills in the observed ones, then the
next run is drawn. So these families learn one model of a run given what stands before it, with the runs of a table
taken in turn at random; and a part of the time a run is cut somewhere in its middle, so that rows of which any first
spans are fixed can be finished as well.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from replica.generators.base import Encoded, Spans
from replica.generators.training import torch_generator, use_one_thread
from replica.kinds.base import Codes

Weights = Mapping[str, npt.NDArray[np.float32]]

# How often a run is cut in its middle while learning.
_CUT = 0.5


@dataclass(frozen=True)
class Piece:
    """What is known of some rows and what is to be made, span by span; both are 0 or 1 of shape (rows, spans)."""

    known: torch.Tensor
    wanted: torch.Tensor

    @classmethod
    def between(cls, start: int, stop: int, rows: int, spans: int) -> Self:
        """Returns the piece from one span up to, not including, another; the same for all rows."""
        place = torch.arange(spans).expand(rows, -1)
        return cls((place < start).float(), ((place >= start) & (place < stop)).float())


class Pieces:
    """Draws pieces as sampling asks for them: a run between observed spans, as likely as it is long."""

    def __init__(self, spans: Spans) -> None:
        drawn = np.array([not span.observed for span in spans])
        edges = np.flatnonzero(np.diff(np.r_[False, drawn, False]))
        self._starts, self._stops = (torch.from_numpy(each) for each in (edges[::2].copy(), edges[1::2].copy()))
        self._place = torch.arange(len(spans))

    def draw(self, rows: int, generator: torch.Generator) -> Piece:
        """Returns a piece for each of some rows."""
        lengths = self._stops - self._starts
        run = torch.multinomial(lengths.double(), rows, replacement=True, generator=generator)
        cut, part = torch.rand(2, rows, generator=generator)
        inside = torch.where(cut < _CUT, (part * lengths[run]).long(), 0)
        start = (self._starts[run] + inside).unsqueeze(1)
        wanted = (self._place >= start) & (self._place < self._stops[run].unsqueeze(1))
        return Piece((self._place < start).float(), wanted.float())


@dataclass(frozen=True)
class Rows:
    """Some rows for a net.

    Attributes:
        above: codes of the context; shape (rows, context spans).
        codes: codes of the rows, anything where they are not known; shape (rows, spans).
        piece: what is known of them and what is wanted.
    """

    above: torch.Tensor
    codes: torch.Tensor
    piece: Piece

    def __len__(self) -> int:
        return len(self.codes)


class PieceNet(nn.Module, ABC):
    """A net that makes pieces of rows."""

    @abstractmethod
    def sample(self, rows: Rows, generator: torch.Generator) -> torch.Tensor:
        """Returns the codes with the wanted spans drawn, the same for all rows: shape (rows, spans)."""


@dataclass(frozen=True)
class PieceGenerator(ABC):
    """A fitted model whose rows a net makes.

    Attributes:
        spans: the spans of a row.
        context: the spans of its context.
        width: size of the net's states.
        weights: the parameters of the net by name.
    """

    spans: Spans
    context: Spans
    width: int
    weights: Weights

    @abstractmethod
    def _build(self) -> PieceNet:
        """Returns a net of the right form, with any weights."""

    @cached_property
    def _net(self) -> PieceNet:
        net = self._build()
        net.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in self.weights.items()})
        return net.eval()

    def sample(self, context: Codes, given: Codes, stop: int, rng: np.random.Generator) -> Codes:
        """See :meth:`replica.generators.base.TableGenerator.sample`."""
        use_one_thread()
        n, start = given.shape
        codes = torch.zeros(n, len(self.spans), dtype=torch.int64)
        codes[:, :start] = torch.from_numpy(given.astype(np.int64))
        above = torch.from_numpy(context.astype(np.int64))
        rows = Rows(above, codes, Piece.between(start, stop, n, len(self.spans)))
        return self._net.sample(rows, torch_generator(rng))[:, start:stop].numpy().astype(np.int32)


def weights_of(net: nn.Module) -> Weights:
    """Returns what a net has learned, by name."""
    return {name: value.detach().numpy().copy() for name, value in net.state_dict().items()}


def example_rows(rows: Encoded, context: Encoded) -> Callable[[torch.Tensor, torch.Generator], Rows]:
    """Returns what gives rows to learn from, by their places, each with a piece drawn for it."""
    codes = torch.from_numpy(rows.codes.astype(np.int64))
    above = torch.from_numpy(context.codes.astype(np.int64))
    pieces = Pieces(rows.spans)
    return lambda at, generator: Rows(above[at], codes[at], pieces.draw(len(at), generator))
