"""Queries: does the replica answer what an application asks as the original does?

Relative errors are defined in :mod:`replica.evaluation.workload.errors`.
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
from replica.evaluation.workload.answering import ROWS, measured, tally
from replica.evaluation.workload.errors import Yardstick
from replica.evaluation.workload.query import Query
from replica.evaluation.workload.sql import as_sql
from replica.progress import Progress, Report, ignore

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

TIMEOUT_S = 5.0
_MOST_SECONDS = 60.0
_MOST_GROUPS = 100_000


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
            yield NoAnswer(f"{_MOST_SECONDS:g} s had passed before")
            continue
        found = servers.answers(as_sql(query, ground), TIMEOUT_S, _MOST_GROUPS)
        yield found if isinstance(found, NoAnswer) else _compared(query, ground, *found)


def _compared(query: Query, ground: Ground, original: pa.Table, synthetic: pa.Table) -> _Answered:
    yardstick = Yardstick.of(query, ground)
    one, other = (_cells(answer, len(query.groups), yardstick.nothing) for answer in (original, synthetic))
    keys = list(one | other)
    a, b = (np.array([cells.get(key, (0.0, yardstick.nothing))[1] for key in keys]) for cells in (one, other))
    totals = ground.original[query.table].total, ground.synthetic[query.table].total
    return _Answered(yardstick.error(a, b, totals), (_rows(one), _rows(other)))


def _cells(answer: pa.Table, groups: int, nothing: float) -> Cells:
    """What an answer says by group; null where there was nothing to add up."""
    columns = [answer.column(i).to_pylist() for i in range(answer.num_columns)]
    keys = zip(*columns[:groups], strict=True) if groups else [()] * answer.num_rows
    return {
        tuple(key): (rows, nothing if measure is None else measure)
        for key, rows, measure in zip(keys, columns[groups], columns[-1], strict=True)
    }


def _rows(cells: Cells) -> float:
    return float(sum(rows for rows, _ in cells.values()))


# On halves


def _on_halves(ground: Ground, workload: Sequence[Query]) -> Scored:
    """How far answers on halves agree, by query."""
    if not workload:
        nothing = np.zeros((0, 0))
        return Scored((), nothing, nothing, nothing, GROUPS)
    dealt = {
        table: deal([side[table].unit for side in ground.sides], ground.rng("queries", table))
        for table in dict.fromkeys(query.table for query in workload)
    }
    tallies = [tally(query, ground, dealt[query.table]) for query in workload]
    yardsticks = [Yardstick.of(query, ground) for query in workload]
    bounds = np.cumsum([one[0].shape[1] for one in tallies])[:-1]

    def score(original: Floats, sample: Floats) -> Floats:
        parts = zip(yardsticks, np.split(original, bounds), np.split(sample, bounds), strict=True)
        return np.array([1.0 - _error(*part) for part in parts])

    names = [str(i + 1) for i in range(len(workload))]
    counts = [np.concatenate(sides, axis=1) for sides in zip(*tallies, strict=True)]
    return score_halves(names, counts, score, ground.rng("queries", "halves"))


def _error(yardstick: Yardstick, original: Floats, sample: Floats) -> float:
    """The relative error of one sample's cells against another's; see :func:`tally` for what they hold."""
    there = original[1:, ROWS] + sample[1:, ROWS] > 0
    a, b = (measured(yardstick.query.measure, cells[1:][there]) for cells in (original, sample))
    return yardstick.error(a, b, (original[0, ROWS], sample[0, ROWS]))


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
