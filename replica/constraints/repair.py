"""Rows that break a check: their values are taken, together, from rows that keep it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import networkx as nx
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from replica.constraints.candidates import beside, candidates
from replica.constraints.judging import Judge, reads_of
from replica.errors import UnsatisfiableError
from replica.kinds.base import is_null
from replica.relations.joins import NULL
from replica.schema.model import Check, Table, quote_name

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Columns = dict[str, pa.Array]

_ROUNDS = 4
_DONORS = 4_000
_SEARCHED = 5_000
# How many rows may be tried with values of their own choice, all attempts counted.
_TRIED = 200_000


@dataclass(frozen=True)
class Duty:
    """What the rows of a table must satisfy, and what may be changed for it.

    Attributes:
        judge: says which rows of the table break a check.
        checks: the checks.
        units: what may be changed, each with the columns that change together: a column by itself, or a reference
            with all that it fills.
        clearable: references that may become null, each with the column that says which row it points to, and those
            that become null with it.
    """

    judge: Judge
    checks: Sequence[Check]
    units: Mapping[str, tuple[str, ...]]
    clearable: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def table(self) -> Table:
        """The table."""
        return self.judge.table


def keep_checks(duty: Duty, columns: Columns, rng: np.random.Generator) -> Columns:
    """Returns the columns of some rows, changed where they would break a check or hold a forbidden null.

    Raises:
        UnsatisfiableError: rows stay that break a check.
    """
    if not columns or not len(next(iter(columns.values()))):
        return columns
    columns = _without_nulls(duty, columns, rng)
    # Checks that share what may be changed are kept together: mending one alone could break the other.
    for checks in _together(duty):
        columns = _mend(duty, checks, columns, rng)
    return columns


def _together(duty: Duty) -> list[list[Check]]:
    """Groups checks that read a common unit."""
    graph = nx.Graph()
    for number, check in enumerate(duty.checks):
        graph.add_node(number)
        for unit in (*_units_of(duty, [check]), *_units_of(duty, [check], duty.clearable)):
            graph.add_edge(number, unit)
    parts = nx.connected_components(graph)
    return [[duty.checks[node] for node in sorted(n for n in part if isinstance(n, int))] for part in parts]


def _units_of(duty: Duty, checks: Sequence[Check], among: Mapping[str, tuple[str, ...]] | None = None) -> list[str]:
    """What may be changed among that which some checks read."""
    read = {name for check in checks for name in reads_of(check, duty.table)}
    return sorted(unit for unit, names in (duty.units if among is None else among).items() if read & set(names))


def _mend(duty: Duty, checks: list[Check], columns: Columns, rng: np.random.Generator) -> Columns:
    """Gives rows that break a check the values that a row has which keeps all of them."""
    broken = broken_rows(duty.judge, checks, columns)
    if not broken.any():
        return columns
    names = [name for unit in _units_of(duty, checks) for name in duty.units[unit] if name in columns]
    good = np.flatnonzero(~broken)
    if names and len(good):
        for _ in range(_ROUNDS):
            bad = np.flatnonzero(broken)
            if not len(bad):
                return columns
            columns = _take(columns, names, bad, rng.choice(good, len(bad)))
            broken = broken_rows(duty.judge, checks, columns)
        # Where other columns have a say, most donors do not fit: the last rows look for one that does.
        for row in np.flatnonzero(broken)[:_SEARCHED].tolist():
            donor = _fitting_donor(duty, checks, columns, names, row, rng.permutation(good)[:_DONORS])
            if donor is not None:
                columns = _take(columns, names, np.array([row]), np.array([donor]))
        broken = broken_rows(duty.judge, checks, columns)
    columns = _search(duty, checks, columns, np.flatnonzero(broken), rng)
    # What the source itself never proved may stay broken.
    proved = [check for check in checks if check.validated]
    if broken.any() and proved and broken_rows(duty.judge, proved, columns).any():
        raise _unsatisfiable(duty, proved, columns)
    return columns


def _search(duty: Duty, checks: list[Check], columns: Columns, bad: Ints, rng: np.random.Generator) -> Columns:
    """Lets rows that no other can help try values that the definitions name, and references that point to nothing."""
    own = [names[0] for names in (duty.units[unit] for unit in _units_of(duty, checks)) if len(names) == 1]
    names = [name for name in own if name in columns]
    cleared = [duty.clearable[name] for name in _units_of(duty, checks, duty.clearable)]
    if not len(bad) or not (names or cleared):
        return columns
    pools = candidates(duty.table, checks, names, columns)
    left = _TRIED
    while len(bad) and left > 0:
        rows = pa.array(bad)
        trial = {name: values.take(rows) for name, values in columns.items()}
        for name, pool in pools.items():
            chosen = pool.take(pa.array(rng.integers(0, len(pool), len(bad))))
            trial[name] = pc.if_else(pa.array(rng.random(len(bad)) < 0.5), chosen, trial[name])
            close = beside(name, trial, rng)
            if close is not None:
                trial[name] = pc.if_else(pa.array(rng.random(len(bad)) < 0.25), close, trial[name])
        for group in cleared:
            trial |= _emptied(trial, group, rng.random(len(bad)) < 0.5)
        fits = ~broken_rows(duty.judge, checks, trial)
        for name in (*names, *(name for group in cleared for name in group)):
            columns = {**columns, name: put(columns[name], bad[fits], trial[name].filter(pa.array(fits)))}
        left -= len(bad)
        bad = bad[~fits]
    return columns


def _emptied(columns: Columns, group: tuple[str, ...], rows: Mask) -> Columns:
    """Lets references of some rows point to nothing; the number of the row that they point to is the first column."""
    number, *names = group
    nothing = pa.scalar(NULL, columns[number].type)
    found = {name: pc.if_else(pa.array(rows), pa.scalar(None, columns[name].type), columns[name]) for name in names}
    return {number: pc.if_else(pa.array(rows), nothing, columns[number]), **found}


def _take(columns: Columns, names: list[str], rows: Ints, donors: Ints) -> Columns:
    return {**columns, **{name: put(columns[name], rows, columns[name].take(pa.array(donors))) for name in names}}


def _fitting_donor(
    duty: Duty, checks: Sequence[Check], columns: Columns, names: list[str], row: int, donors: Ints
) -> int | None:
    """The first donor whose values, put into a row, keep all checks."""
    own = pa.array(np.full(len(donors), row))
    trial = {name: values.take(pa.array(donors) if name in names else own) for name, values in columns.items()}
    fitting = np.flatnonzero(~broken_rows(duty.judge, checks, trial))
    return int(donors[fitting[0]]) if len(fitting) else None


def broken_rows(judge: Judge, checks: Sequence[Check], columns: Columns) -> Mask:
    """Returns which rows break one of the checks; what nobody can evaluate now is proved when they are loaded."""
    broken = np.zeros(len(next(iter(columns.values()))), dtype=bool)
    for check in checks:
        broken |= judge.broken(check.expression, columns)
    return broken


def _unsatisfiable(duty: Duty, checks: Sequence[Check], columns: Columns) -> UnsatisfiableError:
    """Names the check that most rows break."""
    check = max(checks, key=lambda check: int(broken_rows(duty.judge, [check], columns).sum()))
    share = float(broken_rows(duty.judge, [check], columns).mean())
    return UnsatisfiableError(
        f"check {duty.table.id}.{quote_name(check.name)} ({check.expression}) cannot be kept: {share:.1%} of the rows"
        " break it; let the schema map choose other kinds for its columns"
    )


def put(values: pa.Array, places: Ints, new: pa.Array) -> pa.Array:
    """Returns an array with some places replaced."""
    mask = np.zeros(len(values), dtype=bool)
    mask[places] = True
    order = np.argsort(places, kind="stable")
    return pc.replace_with_mask(values, pa.array(mask), new.take(pa.array(order)))


def _without_nulls(duty: Duty, columns: Columns, rng: np.random.Generator) -> Columns:
    """Fills nulls of columns that may have none from rows that have a value."""
    filled = dict(columns)
    for name in duty.units:
        values = columns.get(name)
        if values is None or not values.null_count or duty.table.by_name[name].nullable:
            continue
        there, bad = np.flatnonzero(~is_null(values)), np.flatnonzero(is_null(values))
        if len(there):
            filled[name] = put(values, bad, values.take(pa.array(rng.choice(there, len(bad)))))
    return filled
