"""Queries: does the replica answer what an application asks as the original does?

How wrong an answer is, is its *relative error*: |replica - original| / max(|original|, least), 1 at most. *Least* keeps
what is near zero from counting for much: of a count, one row in a thousand of the table that is asked about, ten rows
at least; of a sum, what so many rows add up to; of an average, a tenth of the column's usual size. A query with groups
has the mean over the groups that either side has; a group that one side lacks counts as zero, and its average as wrong
altogether. Counts and sums of a replica of another size are brought to the original's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.evaluation.figures import Figure, Scored
from replica.evaluation.ground import Ground
from replica.evaluation.halves import GROUPS, deal, score_halves
from replica.evaluation.servers import NoAnswer, Servers
from replica.evaluation.workload.answering import KNOWN, ROWS, SUM, Reached, tally
from replica.evaluation.workload.query import Query
from replica.evaluation.workload.sql import as_sql
from replica.progress import Progress, Report, ignore

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

TIMEOUT_S = 5.0
_MOST_SECONDS = 60.0
_MOST_GROUPS = 100_000

_LEAST_SHARE, _LEAST_ROWS, _LEAST_SIZE = 0.001, 10.0, 0.1


@dataclass(frozen=True)
class QueryScore:
    """How alike the answers to one query are.

    Attributes:
        number: its number in the workload, from 1.
        text: the query in words, without a constant.
        tables: how many tables it joins.
        error: relative error of the replica's answer, both databases whole; None where a server did not answer.
        rows: rows that it is about in both databases; None likewise.
        agreement: 1 less the relative error, on halves of the rows.
    """

    number: int
    text: str
    tables: int
    error: float | None
    rows: tuple[float, float] | None
    agreement: Figure


@dataclass(frozen=True)
class QueryScores:
    """How alike the answers to a workload are.

    Attributes:
        queries: each query.
        error_median: median of the relative errors, as both servers answer; None where they answered nothing.
        error_ninetieth: their 90th percentile.
        agreement: 1 less the median relative error, on halves of the rows, with its ceiling and floor.
        worst_tenth: 1 less the 90th percentile, likewise.
        by_tables: the median by the number of tables that are joined.
        left_out: why a query was not answered, by its number.
    """

    queries: tuple[QueryScore, ...]
    error_median: float | None
    error_ninetieth: float | None
    agreement: Figure | None
    worst_tenth: Figure | None
    by_tables: Mapping[int, Figure]
    left_out: Mapping[int, str]


def score_queries(servers: Servers, ground: Ground, workload: Sequence[Query], report: Report = ignore) -> QueryScores:
    """Are counts, sums and averages over filters, joins and groups what they are in the original?

    The servers answer on whole databases. Ceiling, floor and interval come from the same queries answered on random
    halves of the rows that were read: halves against halves, so that the ceiling is what chance alone makes of it.

    Args:
        servers: both databases.
        ground: their rows.
        workload: the queries.
        report: told how many have been asked.
    """
    asked = list(_ask_all(servers, ground, workload, report))
    halves = _on_halves(ground, workload)
    figures = halves.figures()
    queries = tuple(
        QueryScore(
            number=i,
            text=query.describe(),
            tables=len(query.tables),
            error=None if isinstance(found, NoAnswer) else found.error,
            rows=None if isinstance(found, NoAnswer) else found.rows,
            agreement=figures[str(i)],
        )
        for i, (query, found) in enumerate(zip(workload, asked, strict=True), start=1)
    )
    errors = [query.error for query in queries if query.error is not None]
    sizes = np.array([query.tables for query in queries])
    return QueryScores(
        queries=queries,
        error_median=float(np.median(errors)) if errors else None,
        error_ninetieth=float(np.quantile(errors, 0.9)) if errors else None,
        agreement=_summary(halves, _median),
        worst_tenth=_summary(halves, lambda agreements: np.quantile(agreements, 0.1, axis=1)),
        by_tables={
            size: figure for size in sorted(set(sizes.tolist())) if (figure := _summary(halves, _median, sizes == size))
        },
        left_out={i: found.reason for i, found in enumerate(asked, start=1) if isinstance(found, NoAnswer)},
    )


def relative_error(original: Floats, other: Floats, least: float) -> float:
    """How far are some numbers from the original's? See above; the mean over all of them.

    Args:
        original: the numbers; what is not finite counts as lacking.
        other: those of another sample.
        least: what they are put in relation to at least.

    >>> relative_error(np.array([100.0, 1.0]), np.array([90.0, 3.0]), least=10.0)
    0.15
    """
    if not len(original):
        return 0.0
    original, other = (np.where(np.isfinite(numbers), numbers, np.nan) for numbers in (original, other))
    distance, size = np.abs(other - original), np.maximum(np.abs(original), least)
    found = np.minimum(1.0, np.divide(distance, size, out=(distance > 0).astype(np.float64), where=size > 0))
    lacking = np.isnan(original).astype(int) + np.isnan(other)
    return float(np.where(lacking, lacking == 1, found).mean())


@dataclass(frozen=True)
class _Least:
    """What answers to a query are put in relation to at least.

    Attributes:
        query: the query.
        share: of a count, as a share of the rows of the first table.
        size: usual size of what is added up; 1 where rows are counted.
    """

    query: Query
    share: float
    size: float

    @classmethod
    def of(cls, query: Query, ground: Ground) -> _Least:
        rows = ground.original[query.table]
        size = 1.0
        if query.of is not None:
            values = np.abs(Reached(query, ground.original).values(query.of).astype(np.float64))
            known = values[np.isfinite(values)]
            size = float(known.mean()) if len(known) else 0.0
        return cls(query, max(_LEAST_SHARE, _LEAST_ROWS / max(1, rows.total)), size)

    def among(self, rows: float) -> float:
        """Returns it for a sample of so many rows."""
        return self.size * (_LEAST_SIZE if self.query.measure == "avg" else self.share * rows)


# As the servers answer


@dataclass(frozen=True)
class _Answered:
    """The relative error of a query, and the rows that it is about in both databases."""

    error: float
    rows: tuple[float, float]


Cells = dict[tuple[object, ...], tuple[float, float]]
"""Rows and measure of each group of an answer."""


def _ask_all(
    servers: Servers, ground: Ground, workload: Sequence[Query], report: Report
) -> Iterator[_Answered | NoAnswer]:
    end = time.monotonic() + _MOST_SECONDS
    for i, query in enumerate(workload):
        report(Progress("ask", "queries", i, len(workload), "queries"))
        if time.monotonic() > end:
            yield NoAnswer(f"not asked, since {_MOST_SECONDS:g} s had passed")
            continue
        found = servers.answers(as_sql(query, ground), TIMEOUT_S, _MOST_GROUPS)
        yield found if isinstance(found, NoAnswer) else _compared(query, ground, *found)


def _compared(query: Query, ground: Ground, original: pa.Table, synthetic: pa.Table) -> _Answered:
    one, other = _cells(query, original), _cells(query, synthetic)
    total, copies = ground.original[query.table].total, ground.synthetic[query.table].total
    keys = list(one | other)
    lacking = (0.0, np.nan if query.measure == "avg" else 0.0)
    a, b = (np.array([cells.get(key, lacking)[1] for key in keys]) for cells in (one, other))
    if query.measure != "avg":
        b = b * (total / max(1, copies))
    error = relative_error(a, b, _Least.of(query, ground).among(total))
    return _Answered(error, (_rows(one), _rows(other)))


def _cells(query: Query, answer: pa.Table) -> Cells:
    """What an answer says by group; the sum of nothing is nothing."""
    n = len(query.groups)
    columns = [answer.column(i).to_pylist() for i in range(answer.num_columns)]
    nothing = np.nan if query.measure == "avg" else 0.0
    keys = zip(*columns[:n], strict=True) if n else [()] * answer.num_rows
    return {
        tuple(key): (rows, nothing if measure is None else measure)
        for key, rows, measure in zip(keys, columns[n], columns[-1], strict=True)
    }


def _rows(cells: Cells) -> float:
    return float(sum(rows for rows, _ in cells.values()))


# On halves


def _on_halves(ground: Ground, workload: Sequence[Query]) -> Scored:
    """How far answers on halves agree, by query."""
    dealt = {
        table: deal([side[table].unit for side in ground.sides], ground.rng("queries", table))
        for table in dict.fromkeys(query.table for query in workload)
    }
    if not workload:
        nothing = np.zeros((0, 0))
        return Scored((), nothing, nothing, nothing, GROUPS)
    tallies = [tally(query, ground, dealt[query.table]) for query in workload]
    leasts = [_Least.of(query, ground) for query in workload]
    bounds = np.cumsum([one[0].shape[1] for one in tallies])[:-1]

    def score(original: Floats, sample: Floats) -> Floats:
        parts = zip(leasts, np.split(original, bounds), np.split(sample, bounds), strict=True)
        return np.array([1.0 - _error(*part) for part in parts])

    names = [str(i + 1) for i in range(len(workload))]
    counts = [np.concatenate(sides, axis=1) for sides in zip(*tallies, strict=True)]
    return score_halves(names, counts, score, ground.rng("queries", "halves"))


def _error(least: _Least, original: Floats, sample: Floats) -> float:
    """The relative error of one sample's cells against another's; see :func:`tally` for what they hold."""
    rows, others = original[0, ROWS], sample[0, ROWS]
    there = original[1:, ROWS] + sample[1:, ROWS] > 0
    a, b = (_measured(least.query, cells[1:][there]) for cells in (original, sample))
    if least.query.measure != "avg":
        b = b * (rows / max(1.0, others))
    return relative_error(a, b, least.among(rows))


def _measured(query: Query, cells: Floats) -> Floats:
    if query.measure == "count":
        return cells[:, ROWS]
    if query.measure == "sum":
        return cells[:, SUM]
    known = cells[:, KNOWN]
    return np.asarray(np.divide(cells[:, SUM], known, out=np.full(len(cells), np.nan), where=known > 0))


def _median(agreements: Floats) -> Floats:
    return np.asarray(np.median(agreements, axis=1))


def _summary(
    scored: Scored, how: Callable[[Floats], Floats], which: npt.NDArray[np.bool_] | slice = slice(None)
) -> Figure | None:
    """The figure of something said of many queries at once, on every split."""
    if not len(scored):
        return None
    replica, ceiling, floor = (
        how(scores[:, which])[:, None] for scores in (scored.replica, scored.ceiling, scored.floor)
    )
    return Scored(("all",), replica, ceiling, floor, scored.groups).figures()["all"]
