"""How much names say that a column points to a key: one rule after the other, the surest first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from replica.inference.naming import COLLECTIONS, GENERIC_WORDS, Name, alike, ends_with

_SHORTEST, _LONG = 3, 5
# Without a word such as ``id`` at its end, a name may be that of anything.
_NO_KEY_WORD = 0.02

EXACT = "it is named after the table"
SAME_KEY = "it is named like the table's key"
BESIDE = "the table's name ends with it, and begins like this one's"
ENDS = "the table's name ends with it"
BEGINS = "the table's name begins with it"
ONLY = "no other table's name has this word"
WHOLE = "it is named after what the table holds many of"


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a column and of a key that it might point to.

    Attributes:
        column: the column.
        child: its table.
        schema: the namespace of its table.
        table: the table with the key.
        key: the key's column.
        is_home: True where the key's name belongs to its table, as ``concept_id`` belongs to ``concept``.
        is_lone: True where no other key and no other table is called like the key.
        is_only: True where no other table's name has the column's last word, but for those that hold all of this one's.
        is_half: True where another column says what kind of row it names.
    """

    column: Name
    child: Name
    schema: str
    table: Name
    key: Name
    is_home: bool
    is_lone: bool
    is_only: bool
    is_half: bool

    @property
    def doubt(self) -> float:
        """What is taken off where no word of the column says that it names a row."""
        return 0.0 if self.column.has_key else _NO_KEY_WORD


Sign = tuple[float, str]
Rule = Callable[[Names], Sign | None]


def sign_of(names: Names) -> Sign:
    """Returns how much names say, from 0 to 1, and what they say."""
    for rule in RULES:
        sign = rule(names)
        if sign is not None:
            return sign
    return 0.0, ""


def _exact(names: Names) -> Sign | None:
    return (0.97 - names.doubt, EXACT) if names.column.glued == names.table.glued else None


def _same_key(names: Names) -> Sign | None:
    if not names.is_home or names.column.full != names.key.full:
        return None
    return (0.95 if len(names.key.full) > 1 else 0.8), SAME_KEY


def _table_and_key(names: Names) -> Sign | None:
    says_more = not set(names.key.full) <= GENERIC_WORDS - {"name"}
    is_both = names.column.full == (*names.table.words, *names.key.full)
    return (0.93, "it is named after the table and its key") if is_both and says_more else None


def _collection(names: Names) -> Sign | None:
    """``grp`` and ``usr_grp`` mean ``grp_tree``."""
    words = names.table.words[:-1]
    if not words or names.table.words[-1] not in COLLECTIONS or not ends_with(names.column.words, words):
        return None
    return (0.94 if names.column.words == words else 0.89) - names.doubt, WHOLE


def _lone_key(names: Names) -> Sign | None:
    """``task_id`` means the only key that is called so, whatever its table is called."""
    if not names.is_lone or not ends_with(names.column.full, names.key.full):
        return None
    return (0.88 if names.column.full == names.key.full else 0.86), SAME_KEY


def _ends_with_key(names: Names) -> Sign | None:
    if names.is_home and names.key.has_key and ends_with(names.column.full, names.key.full):
        return 0.93, "it ends with the name of the table's key"
    return None


def _generic(names: Names) -> Sign | None:
    """``type`` says which table it points to only together with its own: ``claim.type`` to ``claim_type``."""
    words = names.column.words
    if not set(words) <= GENERIC_WORDS:
        return None
    if names.table.words == (*names.child.words, *words):
        return 0.94 - names.doubt, "it is named after the table, less what both have in common"
    return 0.0, ""


def _ends_with_table(names: Names) -> Sign | None:
    if not ends_with(names.column.words, names.table.words):
        return None
    # The longer the name, the less chance it has: ``access_token`` before ``token``.
    return 0.9 + 0.01 * min(3, len(names.table.words)) - names.doubt, "it ends with the table's name"


def _table_ends_with_it(names: Names) -> Sign | None:
    glued = names.column.glued
    is_word = ends_with(names.table.words, names.column.words)
    if not is_word and not (len(glued) >= _LONG and names.table.glued.endswith(glued)):
        return None
    prefix = names.table.glued.removesuffix(glued)
    if len(prefix) >= _SHORTEST and (names.child.glued.startswith(prefix) or prefix == names.schema):
        return 1.0 - names.doubt, BESIDE
    if not is_word:
        return None
    before = names.table.words[: -len(names.column.words)]
    if before and any(names.child.words[at : at + len(before)] == before for at in range(len(names.child.words))):
        return 0.96 - names.doubt, BESIDE
    if names.is_only:
        return 0.93 - names.doubt, ENDS
    is_short = len(glued) <= _SHORTEST and not names.column.has_key
    return (0.8 if is_short else 0.87 - names.doubt), ENDS


def _both_ends(names: Names) -> Sign | None:
    words = names.column.words
    if any(names.table.words == (*names.child.words, *words[at:]) for at in range(1, len(words))):
        return 0.93 - names.doubt, "the table's name is this one's and the end of it"
    return None


def _begins_and_ends(names: Names) -> Sign | None:
    """``org_unit.billing_address`` means ``org_address``: it begins like the one and ends like the other."""
    column, child, table = names.column.words, names.child.words, names.table.words
    for at in range(1, len(table)):
        head, tail = table[:at], table[at:]
        if (
            child[:at] == head
            and len(tail) < len(column)
            and column[-len(tail) :] == tail
            and tail[-1] not in GENERIC_WORDS
        ):
            return 0.93 - names.doubt, "the table's name begins like this one's and ends like it"
    return None


def _only_word(names: Names) -> Sign | None:
    """``credit_id`` means ``entity_credit_account`` where no other table has to do with credit."""
    words = names.column.words
    if names.is_only and names.column.has_key and len(words) == 1 and words[0] in names.table.words:
        return 0.88, ONLY
    return None


def _table_begins_with_it(names: Names) -> Sign | None:
    words, glued = names.column.words, names.column.glued
    if names.table.words[: len(words)] == words and len(glued) >= _SHORTEST:
        return 0.86 - names.doubt / 2, BEGINS
    if names.table.glued.startswith(glued) and len(glued) >= _SHORTEST:
        return 0.75 - names.doubt, BEGINS
    return None


def _short_form(names: Names) -> Sign | None:
    """``event_def`` means ``event_definition`` before it means anything that begins like it."""
    words, table = names.column.words, names.table.words
    if len(words) == len(table) > 1 and all(alike(*pair) for pair in zip(words, table, strict=True)):
        return 0.93 - names.doubt, "it is a short form of the table's name"
    return None


def _short_forms(names: Names) -> Sign | None:
    words, table = names.column.words, names.table.words
    tail = words[-len(table) :]
    if len(words) >= len(table) and all(alike(*pair) for pair in zip(tail, table, strict=True)):
        return 0.82 - names.doubt, "it ends with a short form of the table's name"
    if len(table) > len(words) and all(alike(*pair) for pair in zip(table[-len(words) :], words, strict=True)):
        return 0.77 - names.doubt, "it is a short form of the end of the table's name"
    return None


def _same_end(names: Names) -> Sign | None:
    words, table = names.column.words, names.table.words
    if len(words) > 1 and len(table) > 1 and words[-1] == table[-1] and words[-1] not in GENERIC_WORDS:
        return 0.65 - names.doubt, "both names end alike"
    return None


RULES: tuple[Rule, ...] = (
    _exact,
    _same_key,
    _table_and_key,
    _ends_with_key,
    _generic,
    _collection,
    _ends_with_table,
    _table_ends_with_it,
    _both_ends,
    _begins_and_ends,
    _lone_key,
    _only_word,
    _short_form,
    _table_begins_with_it,
    _short_forms,
    _same_end,
)
"""The rules, in their order; the first that says anything decides."""
