"""Guessing which kind makes the values of each column."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np

from replica.constraints.domains import domain_of
from replica.inference.ordering import Ordering
from replica.inference.personal import guess_personal, is_credential, is_of_persons, words_of
from replica.inference.sampling import TableSample
from replica.kinds import KINDS, kind_of_type
from replica.kinds.code import find_patterns
from replica.kinds.measure import are_quantities
from replica.kinds.personal import made_up_class
from replica.schema.model import Column, Schema, Table
from replica.schema.schema_map import ColumnMap, Role

_CATEGORY_VALUES = 2000
_TEXT_WORDS = 4
_LONG_TEXT_WORDS = 6
_ONE_WORD = 1.5
_KEY_NULLS = 0.05
_WORTH_KEEPING = 0.2
_PASSWORD = re.compile(r"pass|pwd")
_TSVECTOR = re.compile(r"tsvector_update_trigger\('(?P<column>[^']+)', '(?P<config>[^']+)', (?P<sources>.+)\)")

Guess = tuple[ColumnMap, str | None]


@dataclass(frozen=True)
class TableGuess:
    """What is known of a table when its columns are guessed: its rows, its role, the order of its rows."""

    sample: TableSample
    role: Role
    ordering: Ordering

    @property
    def private(self) -> bool:
        """True where the rows belong to persons."""
        return self.role in ("subject", "private")


def is_structural(sample: TableSample, column: Column) -> bool:
    """Returns True for columns that nothing is learned of: keys, references, computed ones."""
    if column.generated is not None or column.name in sample.table.reference_columns | sample.table.polymorphic_columns:
        return True
    return _is_key(sample, column)


def _is_key(sample: TableSample, column: Column) -> bool:
    """True for what tells rows apart and nothing else; a number that many rows lack says something of the others."""
    table = sample.table
    alone = any(
        unique.columns == (column.name,) and not unique.expressions and not unique.predicate for unique in table.uniques
    )
    primary = table.primary_key
    if domain_of(column, table.checks).values is not None:
        # The few values that a check lists are not counted through.
        return False
    if column.type.family in ("integer", "uuid"):
        lacking = sample.column(column.name).null_count > _KEY_NULLS * len(sample)
        return (alone and not lacking) or column.identity is not None
    return column.type.family == "numeric" and primary is not None and primary.columns == (column.name,)


def guess_column(guess: TableGuess, column: Column, schema: Schema) -> Guess:
    """Returns what makes a column's values, and why where that is not plain."""
    table = guess.sample.table
    ordering = guess.ordering
    if column.generated is not None:
        return _as(column, "generated"), None
    if (pointing := _pointing(table, column)) is not None:
        return pointing
    if column.name in ordering.counters:
        within, start = ordering.counters[column.name]
        return ColumnMap(kind="counter", type=column.type.name, within=within, start=start), ordering.reasons[
            column.name
        ]
    if _is_key(guess.sample, column):
        return _key(guess, column, schema)
    if column.name in ordering.periods:
        found = ColumnMap(kind="period_end", type=column.type.name, of=ordering.periods[column.name])
        return found, ordering.reasons[column.name]
    if column.type.family == "tsvector" and (sql := _tsvector_sql(table, column)):
        return ColumnMap(kind="derived", type=column.type.name, sql=sql), "a trigger computes it from other columns"
    if is_credential(column):
        if column.type.family != "text":
            return _as(column, "bytes"), "its name says credential"
        hint = "; set value: to a known hash to log in" if _PASSWORD.search(words_of(column.name)) else ""
        return _as(column, "credential"), f"its name says credential; made up{hint}"
    if column.type.family == "text":
        return _text(guess, column)
    kind = _kind(table, column)
    after, near = ordering.after.get(column.name), ordering.near.get(column.name)
    return ColumnMap(kind=kind, type=column.type.name, after=after, near=near), ordering.reasons.get(column.name)


def _pointing(table: Table, column: Column) -> Guess | None:
    """Columns of references, polymorphic ones too."""
    if column.name in table.reference_columns:
        return _as(column, "reference"), None
    if column.name in table.polymorphic_columns:
        return _as(column, "polymorphic"), None
    if any(found.when and found.when[0] == column.name for found in table.loose_references):
        return _as(column, "category"), "it says which table another column points into"
    return None


def _as(column: Column, kind: str) -> ColumnMap:
    return ColumnMap(kind=kind, type=column.type.name)


_MOST_KEYS = 2**62


def _key(guess: TableGuess, column: Column, schema: Schema) -> Guess:
    """A key that is made from the row's number; it starts where the source's does if that is dense."""
    if column.type.family == "uuid":
        return _as(column, "key"), None
    drawn = any((guess.sample.table.id, column.name) in sequence.users for sequence in schema.sequences)
    start = 1
    if not drawn and column.identity is None and len(guess.sample):
        numbers = guess.sample.column(column.name).drop_null().to_numpy(zero_copy_only=False)
        # As whole numbers of Python: a bigint has more digits than a float.
        known = len(numbers) > 0 and bool(np.isfinite(numbers).all())
        low, high = (int(numbers.min()), int(numbers.max())) if known else (1, 1)
        dense = guess.sample.complete and high - low + 1 <= 1.2 * len(numbers)
        # Keys that end where the type does leave no room for more rows.
        start = low if dense and high < _MOST_KEYS else 1
    found = ColumnMap(kind="key", type=column.type.name, start=start if start != 1 else None)
    return found, None


def _tsvector_sql(table: Table, column: Column) -> str | None:
    """The expression that PostgreSQL's own trigger function would compute."""
    for trigger in table.triggers:
        found = _TSVECTOR.search(trigger.definition)
        if found and found["column"] == column.name:
            sources = [source.strip().strip("'") for source in found["sources"].split(",")]
            joined = " || ' ' || ".join(f"coalesce(\"{source}\"::text, '')" for source in sources)
            return f"to_tsvector('{found['config']}'::regconfig, {joined})"
    return None


def _kind(table: Table, column: Column) -> str:
    """The kind that suits a column's type; numbers of articles are made anew where no two rows share one."""
    is_new = _is_unique(table, column) and KINDS["article"].accepts(column)
    return "article" if is_new else kind_of_type(column)


def _is_unique(table: Table, column: Column) -> bool:
    return any(unique.columns == (column.name,) for unique in table.uniques)


def _text(guess: TableGuess, column: Column) -> Guess:
    sample = guess.sample
    texts = sample.texts(column.name)
    personal = guess_personal(column, texts, about_persons=guess.private, are_persons=is_of_persons(sample.table))
    if personal is not None and not _is_few_valued(texts, personal[0]):
        return _as(column, personal[0]), personal[1]
    unique = _is_unique(sample.table, column)
    if not texts:
        return _as(column, "code" if unique else "text"), None
    kind, why = _shape_of_text(guess, column, texts, unique=unique)
    return _as(column, kind), why


def _is_few_valued(texts: list[str], kind: str) -> bool:
    """A column of few values names things, not persons, whatever it is called: ``phone`` may hold a brand."""
    distinct = len(set(texts))
    weak = kind in ("full_name", "username", "url", "company", "street_address")
    return weak and len(texts) >= 100 and distinct <= 0.02 * len(texts)


def _shape_of_text(guess: TableGuess, column: Column, texts: list[str], *, unique: bool) -> tuple[str, str | None]:
    """Chooses among category, label, code and free text by how the values look."""
    counts = Counter(texts)
    n, distinct = len(texts), len(counts)
    words = sum(len(text.split()) for text in texts[:2000]) / min(n, 2000)
    if not unique and _is_category(counts, n, private=guess.private):
        return "category", None
    if not unique and are_quantities(texts):
        return "measure", "its values are quantities"
    if words >= (_TEXT_WORDS if guess.private else _LONG_TEXT_WORDS):
        return "text", "long texts; they are written anew"
    if not guess.private:
        return "label", f"{distinct} labels of {n}; kept, since the table is about nobody"
    if (made_up := made_up_class(words_of(column.name))) is not None:
        # What many share goes with the row's other columns, as a large city with its country.
        shared = not unique and _share_held(counts) >= _WORTH_KEEPING * n
        return ("category", None) if shared else (made_up, "too few share its values; made up")
    if _is_code(texts):
        return "code", "its values follow a pattern"
    if unique:
        return "code", None
    return ("word" if words < _ONE_WORD else "text"), None


def _is_category(counts: Counter[str], n: int, *, private: bool) -> bool:
    if len(counts) > _CATEGORY_VALUES and len(counts) > n / 20:
        return False
    if private:
        # What fewer than ten rows share is merged, so most rows must hold a common value.
        return _share_held(counts) >= 0.5 * n or (n < 100 and len(counts) <= n / 5)
    return n / len(counts) >= 2 or len(counts) <= 2


def _share_held(counts: Counter[str]) -> int:
    """How many rows hold a value that ten do."""
    return sum(count for count in counts.values() if count >= 10)


def _is_code(texts: list[str]) -> bool:
    """No spaces to speak of, digits or capitals in it, and few patterns that cover most values."""
    sample = texts[:2000]
    if sum(" " in text.strip() for text in sample) > 0.3 * len(sample):
        return False
    digits = sum(any(c.isdigit() for c in text) for text in sample)
    capitals = sum(text.isupper() for text in sample)
    if digits + capitals < 0.8 * len(sample):
        return False
    patterns = find_patterns(sample, 2, None)
    covered = sum(any(pattern.matcher(text) for pattern in patterns) for text in sample)
    return covered >= 0.7 * len(sample)


def guess_locale_column(table: Table) -> str | None:
    """Returns the column that says which country a row's names and addresses come from."""
    for column in table.columns:
        if column.type.family in ("text", "enum") and "country" in words_of(column.name).split("_"):
            return column.name
    return None
