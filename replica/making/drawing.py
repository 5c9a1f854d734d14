"""Drawing the codes of a table's rows: place after place over all owners at once, in chunks of whole families."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from replica.fitted import FittedTable
from replica.kinds.base import Codes
from replica.making.redrawing import Accept, draw_until
from replica.relations.context import place_codes, previous_codes, value_places
from replica.relations.elders import ElderRows, after_row_before, elder_codes, order_on
from replica.relations.reuse import Taken
from replica.seeds import stream

Ints = npt.NDArray[np.int64]

CHUNK_ROWS = 50_000
# How often a value that is taken is drawn again before it stays.
_MOST_TRIES = 12
# Families longer than this are drawn in stretches beside each other, each starting without a row before it.
_STRETCH = 4_000


@dataclass(frozen=True)
class Skeleton:
    """How many rows there are and which owner each has, before anything else is known of them.

    Rows without an owner come first; rows of one owner are neighbours, in their order.

    Attributes:
        owner: number of each row's owner, negative for none; shape (rows,).
    """

    owner: Ints

    def __len__(self) -> int:
        return len(self.owner)

    @cached_property
    def is_first(self) -> npt.NDArray[np.bool_]:
        """Which rows are the first of their owner."""
        first = np.ones(len(self.owner), dtype=bool)
        first[1:] = (self.owner[1:] != self.owner[:-1]) | (self.owner[1:] < 0)
        return first

    @cached_property
    def family(self) -> Ints:
        """Number of each row's family: rows of one owner, or a row alone."""
        return np.cumsum(self.is_first) - 1

    @cached_property
    def position(self) -> Ints:
        """The place of each row among those of its owner."""
        starts = np.flatnonzero(self.is_first)
        return np.arange(len(self.owner)) - np.repeat(starts, self.sizes)

    @cached_property
    def sizes(self) -> Ints:
        """How many rows each family has: shape (families,)."""
        sizes: Ints = np.diff(np.r_[np.flatnonzero(self.is_first), len(self.owner)])
        return sizes

    def chunks(self) -> list[tuple[int, int]]:
        """Returns stretches of rows that hold whole families and are of about equal size."""
        ends = np.cumsum(self.sizes)
        bounds = [0]
        while bounds[-1] < len(self.owner):
            at = int(np.searchsorted(ends, bounds[-1] + CHUNK_ROWS))
            bounds.append(int(ends[min(at, len(ends) - 1)]))
        return list(pairwise(bounds))


@dataclass(frozen=True)
class Drawing:
    """What drawing a table's rows needs, beside its model.

    Attributes:
        skeleton: the rows and their owners.
        above: returns the codes of what is seen of the owners of some rows; shape (rows, ancestor spans).
        anchors: the owner's moment that first values are counted from, per row; zero without one.
        elders: the rows of each elder table that is seen.
        seed: the root seed.
        table: the table's id.
        workers: how many chunks are drawn at once.
        device: where nets draw.
        accept: says which drawn rows are as was wished; None where all are.
    """

    skeleton: Skeleton
    above: Callable[[slice], Codes]
    anchors: Ints
    elders: tuple[ElderRows, ...]
    seed: int
    table: str
    workers: int
    device: str
    accept: Accept | None = None


def draw(
    fitted: FittedTable, drawing: Drawing, codes: Codes, values: Ints, span: tuple[int, int], previous: slice
) -> None:
    """Draws the spans between two places for all rows, and with the order of rows the values it gives.

    Args:
        fitted: the table.
        drawing: the rows and their owners.
        codes: codes of all rows; those before the first place, and the observed ones, are there already. Filled in.
        values: what orders the rows of one owner. Filled in when the order is drawn.
        span: first place, and place behind the last one.
        previous: where codes of the row before are observed among the row's own; empty where they are context.
    """
    chunks = list(enumerate(drawing.skeleton.chunks()))

    def work(item: tuple[int, tuple[int, int]]) -> None:
        number, (start, stop) = item
        rng = stream(drawing.seed, "draw", drawing.table, span[0], number)
        _draw_chunk(
            _Chunk(fitted, drawing, slice(start, stop), rng), codes[start:stop], values[start:stop], span, previous
        )

    if drawing.workers > 1 and len(chunks) > 1:
        with ThreadPoolExecutor(drawing.workers) as pool:
            list(pool.map(work, chunks))
    else:
        for item in chunks:
            work(item)


@dataclass(frozen=True)
class _Chunk:
    """A stretch of whole families."""

    fitted: FittedTable
    drawing: Drawing
    rows: slice
    rng: np.random.Generator

    @cached_property
    def family(self) -> Ints:
        """Number of each row's family within the stretch."""
        numbers = self.drawing.skeleton.family[self.rows]
        family: Ints = numbers - numbers[0]
        return family

    @cached_property
    def taken(self) -> Taken:
        """Which values the rows drawn so far have taken from others of their owner."""
        return Taken(self.fitted.reuse, self.fitted.layout, int(self.family[-1]) + 1)

    @cached_property
    def above(self) -> Codes:
        """What is seen of the owners of the rows."""
        return self.drawing.above(self.rows)

    @cached_property
    def place(self) -> Codes:
        """Codes of the place of the rows among those of their owner."""
        skeleton = self.drawing.skeleton
        sizes = skeleton.sizes[skeleton.family[self.rows]]
        return place_codes(skeleton.position[self.rows], sizes)

    def sample(self, context: Codes, given: Codes, stop: int) -> Codes:
        """Draws the spans behind the given ones of some rows: shape (rows, stop - given spans)."""
        assert self.fitted.generator is not None  # noqa: S101 - callers have something to draw
        drawn: Codes = self.fitted.generator.sample(context, given, stop, self.rng, self.drawing.device)
        return drawn

    def steps(self) -> list[Ints]:
        """Rows by their place among those of their owner: the first ones, the second ones, and so on."""
        position = self.drawing.skeleton.position[self.rows] % _STRETCH
        order = np.argsort(position, kind="stable")
        bounds = np.flatnonzero(np.diff(position[order])) + 1
        return np.split(order, bounds)


def _draw_chunk(chunk: _Chunk, codes: Codes, values: Ints, span: tuple[int, int], previous: slice) -> None:
    if not len(codes):
        return
    spec = chunk.fitted.context
    skeleton = chunk.drawing.skeleton
    first = skeleton.is_first[chunk.rows].copy()
    # A stretch of a long family starts anew, since the row before it is drawn at the same time.
    behind = skeleton.position[chunk.rows] % _STRETCH
    fresh = behind == 0
    places = value_places(chunk.fitted.layout) if previous.stop > previous.start else []
    for rows in chunk.steps():
        parts = [chunk.above[rows]]
        if spec.place:
            parts.append(chunk.place[rows])
        for lag in range(1, spec.lags + 1) if spec.previous else ():
            before = codes[np.maximum(rows - lag, 0)][:, list(spec.previous_places)]
            parts.append(previous_codes(spec.previous, before, behind[rows] < lag))
        parts += _of_elders(chunk, rows, values, first)
        if places:
            before = codes[np.maximum(rows - 1, 0)][:, places]
            observed = chunk.fitted.layout.spans[previous]
            codes[rows, previous] = previous_codes(observed, before, fresh[rows])
        _draw_rows(chunk, np.concatenate(parts, axis=1), rows, codes, values, span, first)


def _of_elders(chunk: _Chunk, rows: Ints, values: Ints, first: npt.NDArray[np.bool_]) -> list[Codes]:
    """What some rows see of other tables' rows under their owners."""
    skeleton, sequence, found = chunk.drawing.skeleton, chunk.fitted.sequence, []
    numbers = rows + chunk.rows.start
    owner = skeleton.owner[numbers]
    for elder, others in zip(chunk.fitted.context.elders, chunk.drawing.elders, strict=True):
        if not elder.order or sequence is None:
            chosen = others.as_far_along(owner, skeleton.position[numbers], skeleton.sizes[skeleton.family[numbers]])
        else:
            before, anchors = values[np.maximum(rows - 1, 0)], chunk.drawing.anchors[numbers]
            chosen = others.next_after(owner, after_row_before(values, rows - 1, first[rows]))
            found.append(order_on(sequence, others, chosen, before, anchors, first[rows]))
        found.append(elder_codes(elder, others, chosen))
    return found


def _draw_rows(
    chunk: _Chunk,
    context: Codes,
    rows: Ints,
    codes: Codes,
    values: Ints,
    span: tuple[int, int],
    first: npt.NDArray[np.bool_],
) -> None:
    """Draws the runs of spans of some rows, filling in the calendar as soon as the order is known."""
    fitted = chunk.fitted
    assert fitted.generator is not None  # noqa: S101 - callers have something to draw
    order = next(iter(fitted.layout.of("order")), None)
    for start, stop in fitted.layout.runs(*span):
        given = codes[rows, :start]
        codes[rows, start:stop] = _drawn(chunk, context, rows, given, stop)
        if order is not None and start <= order.start < stop:
            _place_in_time(chunk, rows, codes, values, first)


def _drawn(chunk: _Chunk, context: Codes, rows: Ints, given: Codes, stop: int) -> Codes:
    """Draws a run of spans; the last one, which has all columns, until rows are as was wished."""
    accept = chunk.drawing.accept
    if accept is None or stop < len(chunk.fitted.layout.spans):
        drawn = chunk.sample(context, given, stop)
        return _drawn_apart(chunk, context, rows, np.concatenate([given, drawn], axis=1), given.shape[1])

    def is_good(drawn: Codes, at: Ints) -> npt.NDArray[np.bool_]:
        return accept(np.concatenate([given[at], drawn], axis=1), rows[at] + chunk.rows.start, chunk.rng)

    return draw_until(lambda at: chunk.sample(context[at], given[at], stop), is_good, len(rows))


def _drawn_apart(chunk: _Chunk, context: Codes, rows: Ints, codes: Codes, start: int) -> Codes:
    """Draws again, from there on, what holds a value that another row of its owner has; returns a run of spans."""
    family, stop = chunk.family[rows], codes.shape[1]
    for block, reuse in chunk.taken.blocks(start, stop):
        left = np.arange(len(rows))
        for _ in range(_MOST_TRIES):
            left = left[chunk.taken.refused(reuse, family[left], codes[left, block.start : block.stop], chunk.rng)]
            if not len(left):
                break
            codes[left, block.start :] = chunk.sample(context[left], codes[left, : block.start], stop)
        chunk.taken.take(reuse, family, codes[:, block.start : block.stop])
    return codes[:, start:]


def _place_in_time(chunk: _Chunk, rows: Ints, codes: Codes, values: Ints, first: npt.NDArray[np.bool_]) -> None:
    sequence, layout = chunk.fitted.sequence, chunk.fitted.layout
    assert sequence is not None  # noqa: S101 - there is an order to draw
    drawn = codes[rows, layout.places("order", sequence.column)]
    before = values[np.maximum(rows - 1, 0)]
    anchors = chunk.drawing.anchors[chunk.rows][rows]
    values[rows] = sequence.decode(drawn, before, anchors, first[rows], chunk.rng)
    codes[rows, layout.places("calendar", sequence.column)] = sequence.calendar_codes(values[rows])
