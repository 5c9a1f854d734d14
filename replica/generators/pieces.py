"""Making rows piece by piece: what the families share that see all spans of a row at once.

A run of spans is drawn given the context and all spans before it, then the caller fills in the observed ones, then the
next run is drawn. So these families learn one model of a run given what stands before it, with the runs of a table
taken in turn at random; and a part of the time a run is cut somewhere in its middle, so that rows of which any first
spans are fixed can be finished as well.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import torch
from torch import nn

from replica.generators.base import Encoded, FitOptions, Spans
from replica.generators.devices import CPU, as_codes, as_tensor, to_draw, to_learn
from replica.generators.kept import KeptNet, weights_of
from replica.generators.nets import Heads, draw
from replica.generators.training import Pace, Task, torch_generator, train, use_one_thread
from replica.kinds.base import Codes

# How often a run is cut in its middle while learning.
_CUT = 0.5


@dataclass(frozen=True)
class Piece:
    """What is known of some rows and what is to be made, span by span; both are 0 or 1 of shape (rows, spans)."""

    known: torch.Tensor
    wanted: torch.Tensor

    @classmethod
    def between(cls, start: int, stop: int, codes: torch.Tensor) -> Self:
        """Returns the piece of some rows from one span up to, not including, another; the same for all of them."""
        place = torch.arange(codes.shape[1], device=codes.device).expand(len(codes), -1)
        return cls((place < start).float(), ((place >= start) & (place < stop)).float())


class Pieces:
    """Draws pieces as sampling asks for them: a run between observed spans, as likely as it is long."""

    def __init__(self, spans: Spans, device: torch.device) -> None:
        drawn = np.array([not span.observed for span in spans])
        edges = np.flatnonzero(np.diff(np.r_[False, drawn, False]))
        self._starts, self._stops = (torch.from_numpy(each.copy()).to(device) for each in (edges[::2], edges[1::2]))
        self._lengths = self._stops - self._starts
        self._ends = self._lengths.cumsum(dim=0)
        self._place = torch.arange(len(spans), device=device)

    def draw(self, rows: int, generator: torch.Generator) -> Piece:
        """Returns a piece for each of some rows."""
        chance, cut, part = torch.rand(3, rows, generator=generator, device=generator.device)
        run = torch.searchsorted(self._ends, (chance * self._ends[-1]).long(), right=True)
        inside = torch.where(cut < _CUT, (part * self._lengths[run]).long(), 0)
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


class Examples:
    """The rows that a table is learned from, on the device that learns, each with a piece drawn for it."""

    def __init__(self, rows: Encoded, context: Encoded, device: torch.device) -> None:
        self._codes, self._above = (as_tensor(each.codes, device) for each in (rows, context))
        self._pieces = Pieces(rows.spans, device)

    def at(self, places: torch.Tensor, stream: torch.Generator) -> Rows:
        """Returns some rows by their places."""
        return Rows(self._above[places], self._codes[places], self._pieces.draw(len(places), stream))


@dataclass(frozen=True)
class Lesson:
    """What a net learns from, and how.

    Attributes:
        rows: the rows.
        context: as many rows.
        options: how much it may cost.
        rng: the random stream of the fit.
        stream: the random stream of the device that learns.
    """

    rows: Encoded
    context: Encoded
    options: FitOptions
    rng: np.random.Generator
    stream: torch.Generator

    def examples(self) -> Examples:
        """Returns the rows on the device."""
        return Examples(self.rows, self.context, self.stream.device)


class PieceNet(nn.Module, ABC):
    """A net that makes pieces of rows, and ends in a head for every span.

    Args:
        spans: the spans of a row.
        context: the spans of its context.
        width: size of the states, as :meth:`width_for` has it.
        generator: what first weights are drawn from.
    """

    _spread: ClassVar[float] = 0.0
    """How far the first logits are from those of independent columns."""

    def __init__(self, spans: Spans, context: Spans, width: int, generator: torch.Generator) -> None:  # noqa: ARG002
        super().__init__()
        self.width = width
        self.heads = Heads(spans, width, generator, self._spread)

    @staticmethod
    @abstractmethod
    def width_for(rows: int) -> int:
        """Returns the size of the states for a number of rows."""

    @abstractmethod
    def learn(self, lesson: Lesson) -> None:
        """Fits the net in place."""

    @abstractmethod
    def sample(self, rows: Rows, generator: torch.Generator) -> torch.Tensor:
        """Returns the codes with the wanted spans drawn, the same for all rows: shape (rows, spans)."""

    def draw_wanted(self, state: torch.Tensor, rows: Rows, generator: torch.Generator) -> torch.Tensor:
        """Draws all wanted spans from one state, (rows, width); returns what :meth:`sample` does."""
        for i in torch.nonzero(rows.piece.wanted[:1].sum(dim=0)).flatten().tolist():
            rows.codes[:, i] = draw(self.heads.of(i, state), generator)
        return rows.codes


class LikelyNet(PieceNet):
    """A net that learns by the likelihood of pieces, or by a bound on it."""

    _pace: ClassVar[Pace]

    @abstractmethod
    def loss(self, rows: Rows, generator: torch.Generator) -> torch.Tensor:
        """Returns the mean over rows of the negative log likelihood of what is wanted."""

    def learn(self, lesson: Lesson) -> None:
        """See :meth:`PieceNet.learn`."""
        examples = lesson.examples()

        def loss(at: torch.Tensor) -> torch.Tensor:
            # Rows that judge are cut and hidden in the same way every time.
            stream = lesson.stream if self.training else torch.Generator(lesson.stream.device).manual_seed(0)
            return self.loss(examples.at(at, stream), stream)

        train(Task(len(lesson.rows), loss, self, lesson.stream), lesson.options, lesson.rng, self._pace)


@dataclass(frozen=True)
class PieceGenerator(KeptNet[PieceNet]):
    """A fitted model whose rows a net makes."""

    @staticmethod
    @abstractmethod
    def _net_type() -> type[PieceNet]:
        """Returns the nets of the family."""

    @classmethod
    def fit(cls, rows: Encoded, context: Encoded, options: FitOptions, rng: np.random.Generator) -> Self:
        """See :meth:`replica.generators.base.TableGenerator.fit`."""
        use_one_thread()
        stream = torch_generator(rng, to_learn(options.device, len(rows)))
        width = cls._net_type().width_for(len(rows))
        net = cls._net_type()(rows.spans, context.spans, width, stream)
        net.heads.start_from(rows)
        net.to(stream.device).learn(Lesson(rows, context, options, rng, stream))
        return cls(rows.spans, context.spans, width, weights_of(net))

    def _build(self) -> PieceNet:
        return self._net_type()(self.spans, self.context, self.width, torch.Generator())

    def sample(self, context: Codes, given: Codes, stop: int, rng: np.random.Generator, device: str = CPU) -> Codes:
        """See :meth:`replica.generators.base.TableGenerator.sample`."""
        use_one_thread()
        n, start = given.shape
        generator = torch_generator(rng, to_draw(device, n))
        codes = torch.zeros(n, len(self.spans), dtype=torch.int64, device=generator.device)
        codes[:, :start] = as_tensor(given, generator.device)
        rows = Rows(as_tensor(context, generator.device), codes, Piece.between(start, stop, codes))
        return as_codes(self._net_on(generator.device).sample(rows, generator)[:, start:stop])
