"""Undeclared references that names and types suggest, before any value is looked at.

The signs are those of Rostin et al., "A machine learning approach to foreign key discovery" (WebDB 2009), as far as
they need no rows: the column's name beside the parent's table and key, typical endings, types. Weighed by hand.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from typing import Literal

from replica.inference import name_signs as signs
from replica.inference.naming import (
    GENERIC_WORDS,
    KEY_WORDS,
    MEASURES,
    Name,
    ends_with,
    initials,
    name_of_column,
    name_of_table,
    says_person,
    says_self,
    spelled_out,
)
from replica.schema.model import Column, ForeignKey, Schema, Table, Unique

KEY_FAMILIES = frozenset({"integer", "numeric", "uuid", "text"})
_MOST_COLUMNS = 4
_MOST_COMBINATIONS = 64

# Scores of names: from ADOPTED on they are enough by themselves, from PROPOSED on they are worth a look.
ADOPTED = 0.85
PROPOSED = 0.6


@dataclass(frozen=True, slots=True)
class Candidate:
    """A reference that might be.

    Attributes:
        key: the reference; not declared.
        score: how much the names say so, from 0 to 1; ``ADOPTED`` and more is enough without any row.
        reason: what the names say.
    """

    key: ForeignKey
    score: float
    reason: str


@dataclass(frozen=True)
class Target:
    """A key of one column that might be pointed to.

    Attributes:
        table: whose key it is.
        column: its column.
        primary: True for the primary key.
        is_home: True where the column's name belongs to this table, as ``concept_id`` belongs to ``concept``.
        is_lone: True where the key's name is that of no other key, and of no table.
    """

    table: Table
    column: Column
    primary: bool
    is_home: bool
    is_lone: bool

    @cached_property
    def name(self) -> Name:
        """The table's name."""
        return name_of_table(self.table.name)

    @cached_property
    def key(self) -> Name:
        """The key's name."""
        return name_of_column(self.column.name)


def undeclared(child: str, columns: tuple[str, ...], parent: Table, parent_columns: tuple[str, ...]) -> ForeignKey:
    """Returns a reference that the schema does not declare."""
    name = "_".join((*columns, parent.name))
    return ForeignKey(name, child, columns, parent.id, parent_columns, declared=False)


def fits(child: Column, parent: Column) -> bool:
    """Returns True where one column may hold the other's values: types of one family, no fractions."""
    families = {child.type.family, parent.type.family}
    whole = all(side.type.family != "numeric" or side.type.scale == 0 for side in (child, parent))
    return families <= KEY_FAMILIES and whole and (len(families) == 1 or families == {"integer", "numeric"})


def name_candidates(schema: Schema) -> list[Candidate]:
    """Returns the references that names suggest: of one column, the likeliest first, and of several."""
    names = KeyNames(schema)
    found: list[Candidate] = []
    for table in names.tables:
        single = [candidate for column in table.columns for candidate in names.of_column(table, column)]
        found += single
        found += names.composites(table)
    return found


class KeyNames:
    """All keys of a schema, and what the names of its tables say of each other."""

    def __init__(self, schema: Schema) -> None:
        self.tables = [table for table in schema.tables if table.kind in ("table", "partitioned")]
        self.targets = list(self._targets())
        self._by_piece: dict[str, list[int]] = defaultdict(list)
        for i, target in enumerate(self.targets):
            for piece in _pieces(target):
                self._by_piece[piece].append(i)
        self.entities: dict[str, list[Table]] = defaultdict(list)
        for table in self.tables:
            self.entities[name_of_table(table.name).glued].append(table)
        self._short = self._short_forms()
        self._with_word: dict[str, set[tuple[str, ...]]] = defaultdict(set)
        for words in (name_of_table(table.name).words for table in self.tables):
            for word in words:
                self._with_word[word].add(words)
        self._best: dict[tuple[str, str], list[Candidate]] = {}

    def _targets(self) -> Iterator[Target]:
        keys = [(table, unique) for table in self.tables for unique in plain_keys(table) if len(unique.columns) == 1]
        sharing: dict[tuple[str, ...], list[Table]] = defaultdict(list)
        for table, unique in keys:
            if unique.primary:
                sharing[name_of_column(unique.columns[0]).full].append(table)
        for table, unique in keys:
            column = table.by_name[unique.columns[0]]
            if not unique.primary and not _names_rows(column, table):
                continue
            full = name_of_column(column.name).full
            is_home = unique.primary and _home(full, sharing[full], self.tables) is table
            yield Target(table, column, unique.primary, is_home, is_lone=not is_home and self._is_lone(full, sharing))

    def _is_lone(self, full: tuple[str, ...], sharing: Mapping[tuple[str, ...], list[Table]]) -> bool:
        """True for the name of one key alone, in which no table is named."""
        stem, tables = tuple(word for word in full if word not in KEY_WORDS), sharing[full]
        if not stem or len(stem) == len(full) or len(tables) != 1 or any(_rank(t, stem) < 2 for t in self.tables):
            return False
        return not self._some_are_counted or _is_counted(tables[0])

    @cached_property
    def _some_are_counted(self) -> bool:
        """True where the database itself gives rows of some tables their keys."""
        return any(map(_is_counted, self.tables))

    def _short_forms(self) -> dict[str, tuple[str, ...]]:
        """Initials that stand for one table of several words, and for no other."""
        found: dict[str, set[tuple[str, ...]]] = defaultdict(set)
        for table in self.tables:
            words = name_of_table(table.name).words
            found[initials(words)].add(words)
        single = [name.words[0] for table in self.tables if len((name := name_of_table(table.name)).words) == 1]
        return {
            short: next(iter(names))
            for short, names in found.items()
            if short and len(names) == 1 and not any(_is_short_for(short, word) for word in single)
        }

    def _name(self, column: Column, target: Target) -> Name:
        """A column's name beside a table's, whose initials it may have."""
        name, words = name_of_column(column.name), target.name.words
        for short in name.words:
            if short in self._short and words[: len(self._short[short])] == self._short[short]:
                return spelled_out(name, short, self._short[short])
        return name

    def _is_only(self, word: str, words: tuple[str, ...]) -> bool:
        """True for a word of one table's name that others have only together with all of that name."""
        return word in words and all(_holds(other, words) for other in self._with_word[word])

    def of_column(self, table: Table, column: Column) -> list[Candidate]:
        """Returns the references of one column, the likeliest first."""
        place = table.id, column.name
        if place not in self._best:
            self._best[place] = list(self.of_part(table, column)) if _may_refer(table, column) else []
        return self._best[place]

    def of_part(self, table: Table, column: Column) -> Iterator[Candidate]:
        """Gives the references of what may be a part of a column, as inside JSON, the likeliest first."""
        scored = self._scored(table, column)
        if any(reason == signs.EXACT and target.table.schema == table.schema for _, target, reason in scored):
            # ``deleted_posts.user_id`` means users, though there be deleted_users; but ``alert_group_target.group_id``
            # means alert_group, though there be groups.
            whole = name_of_table(table.name).glued
            scored = [s for s in scored if s[2] != signs.BESIDE or whole.startswith(s[1].name.glued)]
        if any(target.table.schema == table.schema and score >= _LIKELY for score, target, _ in scored):
            # What lies beside it is likelier.
            scored = [(s - _OTHER_SCHEMA * (t.table.schema != table.schema), t, reason) for s, t, reason in scored]
        scored.sort(key=lambda found: (-found[0], len(found[1].name.words), found[1].table.id))
        for i, (score, target, reason) in enumerate(scored[:_SHOWN]):
            rivals = [
                other
                for j, (other, rival, why) in enumerate(scored)
                if j != i and other > score - _MARGIN and not _goes_on(rival, target, why, reason)
            ]
            # Names that fit several tables alike tell nothing of which it is.
            final = score - _DOUBT if rivals else score
            if final >= PROPOSED or score >= PROPOSED:
                key = undeclared(table.id, (column.name,), target.table, (target.column.name,))
                yield Candidate(key, final, reason)

    def _scored(self, table: Table, column: Column) -> list[tuple[float, Target, str]]:
        name = name_of_column(column.name)
        person = self._person(says_person(name), column, table)
        scored = []
        for target in self._near(name, table, person):
            is_own = target.table is table and (
                target.column is column or (not target.primary and _has_fitting_primary(target, column))
            )
            # What counts with a key is that key, in a table that goes on with the other's.
            is_counted = column.default is not None and column.default == target.column.default
            if not is_own and not is_counted and fits(column, target.column):
                score, reason = self._score(table, column, target, is_person=target is person)
                if score > 0:
                    scored.append((score, target, reason))
        return scored

    def _near(self, name: Name, table: Table, person: Target | None) -> list[Target]:
        """The keys whose names have anything in common with a column's; few of all."""
        places = {i for word in (*name.words, *name.full) for i in self._by_piece.get(word[:_PIECE], ())}
        near = [self.targets[i] for i in sorted(places)]
        spelled = [self._short[word] for word in name.words if word in self._short]
        own = [
            target
            for target in self.targets
            if target.table is table or target is person or any(target.name.words[: len(s)] == s for s in spelled)
        ]
        return [*near, *(target for target in own if target not in near)]

    def _score(self, table: Table, column: Column, target: Target, *, is_person: bool) -> tuple[float, str]:
        name, child = self._name(column, target), name_of_table(table.name)
        if target.table is table:
            return _score_self(name, child, is_person=is_person)
        names = signs.Names(
            column=name,
            child=child,
            schema=table.schema,
            table=target.name,
            key=target.key,
            is_home=target.is_home,
            is_lone=target.is_lone,
            is_only=self._is_only(name.words[-1], target.name.words),
            is_half=any(name_of_column(other.name).full == (*name.words, "type") for other in table.columns),
        )
        score, reason = signs.sign_of(names)
        if says_self(name, child):
            score -= _DOUBT
        if score < _PERSON and is_person:
            score, reason = _PERSON, _PERSON_REASON
        # A table that is called the same, but has another key, is what is meant.
        meant = self.entities.get(name.glued, [])
        if meant and target.table not in meant and reason not in (_PERSON_REASON, signs.BESIDE):
            return 0.0, ""
        return score - _taken_off(column, names, target, reason), reason

    def _person(self, words: tuple[str, ...], column: Column, table: Table) -> Target | None:
        """The table of persons that a role points into: the first of those that are likely."""
        for word in words:
            found = [
                target
                for target in self.targets
                if target.primary and " ".join(target.name.words) == word and fits(column, target.column)
            ]
            if found:
                near = [target for target in found if target.table.schema == table.schema] or found
                return near[0] if len(near) == 1 else None
        return None

    def composites(self, table: Table) -> list[Candidate]:
        """Returns the references of several columns."""
        found: list[Candidate] = []
        for parent in self.tables:
            for unique in plain_keys(parent):
                if 2 <= len(unique.columns) <= _MOST_COLUMNS:
                    found += self._composite(table, parent, unique)
        # Of tables that share a key, the one with the shortest name is where it belongs.
        best: dict[tuple[str, ...], Candidate] = {}
        declared = {frozenset(key.columns) for key in table.foreign_keys}
        for candidate in sorted(found, key=lambda c: (-c.score, len(c.key.parent), c.key.parent)):
            if frozenset(candidate.key.columns) not in declared:
                best.setdefault(tuple(sorted(candidate.key.columns)), candidate)
        return list(best.values())

    def _composite(self, table: Table, parent: Table, unique: Unique) -> Iterator[Candidate]:
        choices: list[list[tuple[str, Way]]] = []
        for name in unique.columns:
            choices.append(self._counterparts(table, parent, parent.by_name[name]))
            if not 0 < prod(map(len, choices)) <= _MOST_COMBINATIONS:
                return
        for chosen in product(*choices):
            columns = tuple(column for column, _ in chosen)
            ways = {way for _, way in chosen}
            prefixes = {
                _prefix(own, part) for (own, way), part in zip(chosen, unique.columns, strict=True) if way == "tail"
            }
            is_itself = table is parent and (ways == {"same"} or set(columns) <= set(unique.columns))
            if is_itself or len(set(columns)) < len(columns) or len(prefixes) > 1:
                continue
            if "named" in ways or (unique.primary and self._owns(parent, unique, table)):
                score = 0.9 if unique.primary else 0.86
                key = undeclared(table.id, columns, parent, unique.columns)
                yield Candidate(key, score, "its columns are named after the table and its key")
            elif unique.primary and ways == {"same"} and set(unique.columns) < _key_of(table):
                # Only values can tell: two logs of one person have a day in common, too.
                key = undeclared(table.id, columns, parent, unique.columns)
                yield Candidate(key, _LONGER_KEY, "its key goes on where that table's ends")

    def _counterparts(self, table: Table, parent: Table, part: Column) -> list[tuple[str, Way]]:
        """Columns of a table that could name a part of another's key, and how their names say so."""
        found: list[tuple[str, Way]] = []
        for own in table.columns:
            if own.generated is None and fits(own, part):
                way = _way(own, part, parent, table)
                found += [(own.name, way)] if way is not None else []
        return found

    def _owns(self, parent: Table, unique: Unique, child: Table) -> bool:
        """True where a part of a key is named after its table, and the same key of no other is more so."""
        words = name_of_table(parent.name).words
        if len(words) > len(name_of_table(child.name).words) and _key_of(child) == set(unique.columns):
            return False
        for name in unique.columns:
            full = name_of_column(name)
            stem = tuple(word for word in full.words if word not in GENERIC_WORDS)
            alone = self.of_column(parent, parent.by_name[name])
            refers = name in parent.reference_columns or any(found.score >= ADOPTED for found in alone)
            if stem and _rank(parent, stem) <= 1 and not refers:
                return True
        return False


def _holds(words: tuple[str, ...], part: tuple[str, ...]) -> bool:
    """True for words among which others stand, one after the other."""
    return any(words[at : at + len(part)] == part for at in range(len(words) - len(part) + 1))


def _is_short_for(short: str, word: str) -> bool:
    """True for two letters of one word, of which the first begins it: ``ws`` may be ``workstation`` as well."""
    return len(short) == 2 and word[0] == short[0] and short[1] in word[2:]


def _goes_on(rival: Target, target: Target, why: str, reason: str) -> bool:
    """True for a table whose name only goes on from that of another which fits as well, at either end.

    ``floating`` means ``floating_group`` and not ``floating_group_member``. Where both begin like the column's own
    table it is the longer one that is meant.
    """
    longer, shorter = (target, rival) if why == reason == signs.BESIDE else (rival, target)
    long, short = longer.name.words, shorter.name.words
    if why != reason or len(long) <= len(short):
        return False
    if why == signs.BESIDE:
        return True
    return short in (long[: len(short)], long[len(long) - len(short) :])


_LONGER_KEY = 0.7
_SHOWN = 3
_MARGIN = 0.025
_DOUBT = 0.2
_PERSON = 0.87
_PERSON_REASON = "its name is a role of a person"
_SECOND_KEY = 0.3
_UNIQUE_ONLY = 0.02
_TEXT = 0.05
_OTHER_SCHEMA = 0.03
_LIKELY = 0.8


def _score_self(name: Name, table: Name, *, is_person: bool) -> tuple[float, str]:
    """How much a column's name says that it points to a row of its own table."""
    is_longer = len(name.words) > 1 and name.has_key and ends_with(name.words, table.words)
    if says_self(name, table) or is_longer:
        return (0.92 if name.has_key else 0.86), "its name points to a row of the same table"
    return (_PERSON, _PERSON_REASON) if is_person else (0.0, "")


def _taken_off(column: Column, names: signs.Names, target: Target, reason: str) -> float:
    """What speaks against a key: it is not the primary one, or the column is a text that may hold anything."""
    off, name, child = 0.0, names.column, names.child
    is_label = reason in (signs.EXACT, signs.SAME_KEY) or (reason == signs.BESIDE and name.words[-1] in _STATES)
    if name.words[-1] in MEASURES and not name.has_key and not is_label:
        off += _DOUBT
    if child.words[0] == "deleted" and name.words == child.words[1:]:
        # What was deleted is there no more.
        off += _DOUBT
    if not target.primary:
        off += _SECOND_KEY if _has_fitting_primary(target, column) else _UNIQUE_ONLY
    if names.is_half and reason in (signs.ENDS, signs.BEGINS, signs.ONLY):
        # That column says which table it is.
        off += _DOUBT
    is_named = name.has_key and reason != signs.ONLY
    if column.type.family == "text" and not is_named and reason not in (signs.EXACT, signs.SAME_KEY):
        off += _TEXT
    return off


_PIECE = 3
_STATES = frozenset({"state", "status"})


def _pieces(target: Target) -> set[str]:
    """All stretches of three letters in the names of a key and its table, and their shorter words."""
    texts = (target.name.glued, "".join(target.key.full))
    pieces = {text[i : i + _PIECE] for text in texts for i in range(max(1, len(text) - _PIECE + 1))}
    return pieces | {word for word in (*target.name.words, *target.key.full) if len(word) < _PIECE}


def plain_keys(table: Table) -> list[Unique]:
    """Returns the keys that a reference may point to: over columns alone, for all rows."""
    return [found for found in table.uniques if not found.expressions and found.predicate is None]


def _key_of(table: Table) -> set[str]:
    return set(table.primary_key.columns) if table.primary_key else set()


def _is_counted(table: Table) -> bool:
    """True where the database gives rows their key."""
    key = table.primary_key
    if key is None or len(key.columns) != 1:
        return False
    column = table.by_name[key.columns[0]]
    return column.identity is not None or "nextval(" in (column.default or "")


def _has_fitting_primary(target: Target, column: Column) -> bool:
    key = target.table.primary_key
    return key is not None and len(key.columns) == 1 and fits(column, target.table.by_name[key.columns[0]])


def _may_refer(table: Table, column: Column) -> bool:
    """True for a column that could name another row: of a key's type, not computed, not a reference already."""
    if column.generated is not None or column.type.family not in KEY_FAMILIES or column.identity is not None:
        return False
    is_key = any(unique.columns == (column.name,) for unique in table.uniques)
    if is_key and column.default is not None and "nextval(" in column.default:
        return False
    declared = {key.columns for key in table.foreign_keys}
    name = name_of_column(column.name)
    if column.name.lower().endswith("ids") and column.type.family == "text":
        return False
    if (column.name,) in declared or set(name.full) <= KEY_WORDS | {"name"} or (name.plural and not name.has_key):
        return False
    key = table.primary_key
    # A key that is named after its own table is no reference.
    return not (key and key.columns == (column.name,) and ends_with(name_of_table(table.name).words, name.words))


def _names_rows(column: Column, table: Table) -> bool:
    """True for the name of a key that others would point to although it is not the primary one."""
    name = name_of_column(column.name)
    return name.has_key or set(name.full) <= GENERIC_WORDS or name.glued == name_of_table(table.name).glued


def _home(full: tuple[str, ...], tables: list[Table], known: list[Table]) -> Table | None:
    """The table that a key's name belongs to, of those whose key has it."""
    stem = tuple(word for word in full if word not in KEY_WORDS | {"name"})
    if set(stem) <= GENERIC_WORDS:
        return None
    ranks = sorted(((_rank(table, stem), len(table.name), table.id, table) for table in tables), key=lambda r: r[:3])
    rank, length, _, best = ranks[0]
    if len(ranks) > 1 and ranks[1][:2] == (rank, length):
        return None
    # Elsewhere the name is that of another table, whose key is called otherwise: then it is a reference here too.
    elsewhere = [table for table in known if table is not best and _rank(table, stem) < rank]
    return None if elsewhere or rank == _NOT_NAMED else best


_NOT_NAMED = 4
_LONG, _SHORTEST = 5, 3


def _rank(table: Table, stem: tuple[str, ...]) -> int:
    """How well a table is named by some words: exactly, at its end, at its beginning, not at all."""
    words = name_of_table(table.name).words
    glued, wanted = "".join(words), "".join(stem)
    if glued == wanted:
        return 0
    if ends_with(words, stem) or (len(wanted) >= _LONG and glued.endswith(wanted)):
        return 1
    if glued.startswith(wanted):
        return 2
    return 3 if len(stem) > 1 and words[0] == stem[0] else _NOT_NAMED


Way = Literal["same", "tail", "named"]


def _way(own: Column, part: Column, parent: Table, table: Table) -> Way | None:
    """How a column's name says that it holds a part of a table's key.

    It is the same, it ends with it, or it is named after the table.
    """
    name, words = name_of_column(own.name), name_of_table(parent.name).words
    key = name_of_column(part.name).full
    generic = set(key) <= GENERIC_WORDS
    if own.name == part.name:
        # ``id`` and ``name`` belong to each table alone.
        return "same" if table is parent or not generic else None
    if table is parent:
        return "named" if generic and says_self(name, name_of_table(parent.name)) else None
    if "".join(name.full) == "".join((*words, *key)) or (generic and name.words == words):
        return "named"
    if generic:
        return "named" if len(name.words) > 1 and ends_with(name.words, words) else None
    return "tail" if len(name.full) > len(key) > 1 and name.full[-len(key) :] == key else None


def _prefix(own: str, part: str) -> tuple[str, ...]:
    """What a column's name has before the name of the part of the key that it holds."""
    full, key = name_of_column(own).full, name_of_column(part).full
    return full[: len(full) - len(key)]


def by_child(candidates: list[Candidate]) -> Mapping[tuple[str, tuple[str, ...]], list[Candidate]]:
    """Groups candidates by their table and columns, the likeliest first."""
    groups: dict[tuple[str, tuple[str, ...]], list[Candidate]] = defaultdict(list)
    for candidate in sorted(candidates, key=lambda found: -found.score):
        groups[candidate.key.child, candidate.key.columns].append(candidate)
    return groups
