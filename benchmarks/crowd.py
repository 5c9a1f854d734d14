"""A made-up crowd, for attacks: persons with columns that hang together and visits, without a database.

Persons are drawn from a few hundred groups, so that they are alike as people are, and no two are the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.evaluation.ground import Ground, compared
from replica.learning.source_rows import SourceTable
from replica.plan import plan
from replica.planning.decisions import Plan
from replica.schema.model import Column, ForeignKey, Schema, SqlType, Table, Unique
from replica.schema.schema_map import ColumnMap, SchemaMap, TableMap
from replica.settings import Settings

Ints = npt.NDArray[np.int64]

PERSON, VISIT = "public.person", "public.visit"
_GROUPS, _DAYS, _ITEMS = 40, 700, 300


@dataclass(frozen=True)
class Crowd:
    """Persons and their visits.

    Attributes:
        person: a row for each person.
        visit: a row for each visit.
        visitor: number of the person of each visit, ascending.
    """

    person: pa.Table
    visit: pa.Table
    visitor: Ints

    def __len__(self) -> int:
        return int(self.person.num_rows)

    def of(self, persons: Ints) -> Crowd:
        """Returns some persons with their visits; one may be there several times."""
        counts = np.bincount(self.visitor, minlength=len(self))
        starts = np.cumsum(counts) - counts
        sizes = counts[persons]
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        visits = np.repeat(starts[persons], sizes) + within
        return Crowd(
            self.person.take(pa.array(persons)),
            self.visit.take(pa.array(visits)),
            np.repeat(np.arange(len(persons)), sizes),
        )

    def beside(self, other: Crowd) -> Crowd:
        """Returns both crowds as one."""
        return Crowd(
            pa.concat_tables([self.person, other.person]),
            pa.concat_tables([self.visit, other.visit]),
            np.concatenate([self.visitor, other.visitor + len(self)]),
        )


def draw_crowd(persons: int, rng: np.random.Generator) -> Crowd:
    """Draws persons, always from the same population."""
    world = np.random.default_rng(7)
    age, income, town = (
        world.uniform(20, 70, _GROUPS),
        world.lognormal(10, 0.4, _GROUPS),
        world.integers(0, 30, _GROUPS),
    )
    taste = world.dirichlet(np.full(_ITEMS, 0.05), _GROUPS)
    group = rng.integers(0, _GROUPS, persons)
    visits = rng.poisson(8, persons)
    visitor = np.repeat(np.arange(persons), visits)
    items = (taste.cumsum(axis=1)[group[visitor]] < rng.random(len(visitor))[:, None]).sum(axis=1)
    born = np.round(365.25 * (54 - age[group] + rng.normal(0, 6, persons))).astype(np.int32)
    person = {
        "sex": pa.array(np.where(rng.random(persons) < 0.5, "f", "m")),
        "town": pa.array(
            _named("town", np.where(rng.random(persons) < 0.7, town[group], rng.integers(0, 30, persons)))
        ),
        "job": pa.array(_named("job", (group + rng.integers(0, 6, persons)) % 25)),
        "born": pa.array(born, pa.int32()).cast(pa.date32()),
        "income": pa.array(np.round(income[group] * rng.lognormal(0, 0.2, persons), 2)),
        "height": pa.array(np.round(rng.normal(172, 9, persons), 1)),
        "surname": pa.array(_named("name", rng.integers(0, 100_000, persons))),
    }
    day = 19_000 + rng.integers(0, _DAYS, len(visitor))
    visit = {
        "item": pa.array(_named("item", np.minimum(items, _ITEMS - 1))),
        "rating": pa.array(np.clip(np.round(rng.normal(3.5, 1.1, len(visitor))), 1, 5).astype(np.int64)),
        "day": pa.array(day.astype(np.int32), pa.int32()).cast(pa.date32()),
    }
    return Crowd(pa.table(person), pa.table(visit), visitor)


def _named(what: str, numbers: Ints) -> list[str]:
    return [f"{what} {number}" for number in numbers]


def ground_of(original: Crowd, synthetic: Crowd, seed: int = 0) -> Ground:
    """Returns both crowds as the evaluation reads them from databases."""
    decided = _plan()
    return compared(decided, _source(decided, original), _source(decided, synthetic), seed)


def _source(decided: Plan, crowd: Crowd) -> dict[str, SourceTable]:
    key = decided.by_id[VISIT].owner
    assert key is not None
    n, counts = len(crowd), np.bincount(crowd.visitor, minlength=len(crowd))
    person, visit = decided.by_id[PERSON], decided.by_id[VISIT]
    persons, visits = (
        rows.append_column("id", pa.array(np.arange(rows.num_rows))) for rows in (crowd.person, crowd.visit)
    )
    return {
        PERSON: SourceTable(person, persons, n, {}, {key.id: counts}, np.arange(n)),
        VISIT: SourceTable(visit, visits, len(crowd.visitor), {key.id: crowd.visitor}, {}, crowd.visitor),
    }


_TYPES = {
    "text": SqlType("text", "text", "text"),
    "date": SqlType("date", "date", "date"),
    "number": SqlType("double precision", "float8", "float"),
    "key": SqlType("integer", "int4", "integer"),
}
_COLUMNS = {
    PERSON: {
        "id": ("key", "key"),
        "sex": ("text", "category"),
        "town": ("text", "category"),
        "job": ("text", "category"),
        "born": ("date", "moment"),
        "income": ("number", "number"),
        "height": ("number", "number"),
        "surname": ("text", "last_name"),
    },
    VISIT: {
        "id": ("key", "key"),
        "person_id": ("key", "reference"),
        "item": ("text", "category"),
        "rating": ("key", "number"),
        "day": ("date", "moment"),
    },
}


def _plan() -> Plan:
    reference = ForeignKey("visit_person", VISIT, ("person_id",), PERSON, ("id",))
    tables = [
        Table(
            schema="public",
            name=name.removeprefix("public."),
            columns=tuple(Column(column, _TYPES[kind], nullable=False) for column, (kind, _) in columns.items()),
            uniques=(Unique(f"{name}_pkey", ("id",), primary=True),),
            foreign_keys=(reference,) if name == VISIT else (),
        )
        for name, columns in _COLUMNS.items()
    ]
    maps = {
        name: TableMap(
            role="subject" if name == PERSON else "private",
            owner=("person_id",) if name == VISIT else None,
            columns={column: ColumnMap(kind=kind) for column, (_, kind) in columns.items()},
        )
        for name, columns in _COLUMNS.items()
    }
    return plan(Schema("crowd", "", 0, tuple(tables)), SchemaMap(tables=maps), Settings(rules=False))
