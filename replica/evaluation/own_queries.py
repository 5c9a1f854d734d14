"""Queries of the user's own: what matters to somebody who knows what the database is for.

They are text that only the servers can answer, whole databases each, so they have neither ceiling nor floor; what
answers depend on the number of rows is not brought to the original's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import sqlglot
from sqlglot.errors import SqlglotError

from replica.errors import EvaluateError, SettingsError
from replica.evaluation.plans import shape_of
from replica.evaluation.servers import NoAnswer, Servers
from replica.evaluation.workload.errors import LEAST_SIZE, relative_error, usual_size
from replica.progress import Progress, Report, ignore

TIMEOUT_S = 60.0
_MOST_ROWS = 100_000
_BEGINNINGS = frozenset({"SELECT", "WITH", "VALUES", "TABLE", "("})


@dataclass(frozen=True)
class OwnQueries:
    """Queries of a file.

    Attributes:
        path: the file; empty without one.
        statements: the SQL of each query, in their order.
    """

    path: str
    statements: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class OwnScore:
    """How alike the answers to one query of the user's are.

    Attributes:
        number: its number in the file, from 1.
        compared: ``numbers`` of its answer, or only how many ``rows`` there are.
        error: mean relative error over them; None where a server did not answer.
        same_plan: True where both servers would answer it in the same way.
        left_out: why it was not answered; empty where it was.
    """

    number: int
    compared: str
    error: float | None
    same_plan: bool
    left_out: str = ""


def read_queries(path: Path | None) -> OwnQueries:
    """Reads queries, one after the other with semicolons between them; none without a file.

    Raises:
        SettingsError: the file cannot be read, or holds something else than queries.
    """
    if path is None:
        return OwnQueries("", ())
    try:
        text = path.read_text(encoding="utf8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"{path} cannot be read: {reason}") from None
    statements = tuple(_statements(text, path))
    if not statements:
        raise SettingsError(f"{path} holds no query: write SELECT statements with semicolons between them")
    return OwnQueries(str(path), statements)


def _statements(text: str, path: Path) -> Iterator[str]:
    """The statements of a text; a semicolon in quotes or in a comment separates none."""
    try:
        tokens = sqlglot.tokenize(text, read="postgres")
    except SqlglotError:
        raise SettingsError(f"{path} cannot be read as SQL: a quote or a comment is not closed") from None
    number, first = 0, None
    for token in [*tokens, None]:
        if token is not None and text[token.start : token.end + 1] != ";":
            first, last = first or token, token
        elif first is not None:
            number += 1
            if text[first.start : first.end + 1].upper() not in _BEGINNINGS:
                raise SettingsError(f"{path}: query {number} is no SELECT: only what reads may be asked")
            yield text[first.start : last.end + 1]
            first = None


def check_queries(servers: Servers, own: OwnQueries) -> None:
    """Refuses queries that one of the servers cannot plan, before anything else is done.

    Raises:
        EvaluateError: a server refuses one; the message says which and why, without what it quotes.
    """
    for number, sql in enumerate(own.statements, start=1):
        found = servers.plans(sql)
        if isinstance(found, NoAnswer):
            raise EvaluateError(f"{own.path}: query {number}: {found.reason}")


def score_own_queries(servers: Servers, own: OwnQueries, report: Report = ignore) -> tuple[OwnScore, ...]:
    """Does the replica answer what the user asks as the original does?

    Columns that are no numbers say which rows belong together; where they leave several rows alike, columns of numbers
    join them from the left until none are, as an id in ``SELECT id, count(*)``. The other numbers are compared row by
    row, a row that one side lacks being wrong altogether. Where there are none, or rows are alike in everything, only
    their number is compared. For relative errors see :mod:`replica.evaluation.workload.errors`; *least* is a tenth of
    the usual size of the column.
    """
    return tuple(_score_all(servers, own, report))


def _score_all(servers: Servers, own: OwnQueries, report: Report) -> Iterator[OwnScore]:
    for i, sql in enumerate(own.statements):
        report(Progress("ask", "own queries", i, len(own.statements), "queries"))
        plans = servers.plans(sql)
        same = not isinstance(plans, NoAnswer) and shape_of(plans[0]) == shape_of(plans[1])
        found = servers.answers(sql, TIMEOUT_S, _MOST_ROWS + 1)
        if isinstance(found, NoAnswer):
            yield OwnScore(i + 1, "", None, same, found.reason)
        elif max(map(len, found)) > _MOST_ROWS:
            yield OwnScore(i + 1, "", None, same, f"gives more than {_MOST_ROWS:,} rows: ask for sums or counts")
        else:
            yield OwnScore(i + 1, *compare_answers(*found), same)


def compare_answers(original: pa.Table, synthetic: pa.Table) -> tuple[str, float]:
    """Returns what of two answers was compared, and the relative error."""
    names, numbers = _roles(original, synthetic)
    if names is None or not numbers:
        return "rows", relative_error(np.array([float(len(original))]), np.array([float(len(synthetic))]), 1.0)
    one, other = (_by_name(answer, names, numbers) for answer in (original, synthetic))
    lacking = np.full(len(numbers), np.nan)
    keys = list(one | other)
    a, b = (np.array([cells.get(key, lacking) for key in keys]).reshape(-1, len(numbers)) for cells in (one, other))
    columns = zip(a.T, b.T, strict=True)
    return "numbers", float(np.mean([relative_error(*pair, LEAST_SIZE * usual_size(pair[0])) for pair in columns]))


def _roles(*answers: pa.Table) -> tuple[list[int] | None, list[int]]:
    """The columns that name rows, None where none do, and those that are compared."""
    is_number = [pa.types.is_floating(field.type) for field in answers[0].schema]
    names = [i for i, number in enumerate(is_number) if not number]
    numbers = [i for i, number in enumerate(is_number) if number]
    while any(len(set(_keys(answer, names))) < len(answer) for answer in answers):
        if not numbers:
            return None, []
        names.append(numbers.pop(0))
    return names, numbers


def _keys(answer: pa.Table, names: Sequence[int]) -> list[tuple[object, ...]]:
    columns = [answer.column(i).to_pylist() for i in names]
    return list(zip(*columns, strict=True)) if names else [()] * len(answer)


def _by_name(answer: pa.Table, names: Sequence[int], numbers: Sequence[int]) -> dict[tuple[object, ...], list[float]]:
    columns = [[np.nan if value is None else value for value in answer.column(i).to_pylist()] for i in numbers]
    return dict(zip(_keys(answer, names), map(list, zip(*columns, strict=True)), strict=True))
