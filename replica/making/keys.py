"""Keys that checks have a say in: the first of a table's keys that pass, instead of simply the first."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from replica.constraints.candidates import literals
from replica.constraints.judging import Judge, reads_of
from replica.errors import UnsatisfiableError
from replica.making.made import MadeTable
from replica.relations.keys import KeyMaker
from replica.schema.model import Check, quote_name

# How far keys are searched, beyond those that the rows need.
_BEYOND = 1_000


def settle_keys(made: MadeTable, makers: dict[str, KeyMaker], judge: Judge) -> None:
    """Settles the keys of a table that checks of their own restrict.

    Args:
        made: the table, before any of its rows is made.
        makers: what makes its keys, by column.
        judge: evaluates the table's checks.

    Raises:
        UnsatisfiableError: too few keys pass the checks.
    """
    for name, maker in makers.items():
        checks = [check for check in made.plan.checks if reads_of(check, made.plan.table) == (name,)]
        if checks and len(made):
            made.columns[name] = _passing(made, name, maker, checks, judge)


def _passing(made: MadeTable, name: str, maker: KeyMaker, checks: list[Check], judge: Judge) -> pa.Array:
    n = len(made)
    found = maker.values(np.arange(0))
    for stretch in _stretches(maker, checks, 2 * n + _BEYOND):
        # Keys of stretches that overlap count once.
        keys = stretch.filter(pc.invert(pc.is_in(stretch, value_set=found)))
        broken = np.zeros(len(keys), dtype=bool)
        for check in checks:
            broken |= judge.broken(check.expression, {name: keys})
        found = pa.concat_arrays([found, keys.filter(pa.array(~broken))])
        if len(found) >= n:
            return found.slice(0, n)
    table, check = made.plan.table, checks[0]
    raise UnsatisfiableError(
        f"check {table.id}.{quote_name(check.name)} ({check.expression}) leaves {quote_name(name)} {len(found)} keys"
        f" for {n} rows: plan fewer rows"
    )


def _stretches(maker: KeyMaker, checks: list[Check], n: int) -> Iterator[pa.Array]:
    """The keys as they are counted, then those around each number that the checks name."""
    keys = maker.values(np.arange(n))
    yield keys
    if maker.family == "uuid":
        return
    numbers = {int(text) for check in checks for text in literals(check.expression) if text.lstrip("-").isdigit()}
    for number in sorted(numbers):
        for start in (number, number - abs(maker.step) * (n - 1)):
            if abs(start) < 2**62:
                yield pa.array(start + np.arange(n) * abs(maker.step)).cast(keys.type)
