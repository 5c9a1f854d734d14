"""What the names of tables and columns say: words, plurals, what a column that names another row is called.

Plurals follow the rules of Ruby on Rails, by the ``inflection`` library, since most schemas with undeclared references
were written for it or for something like it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache

import inflection

_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")

KEY_WORDS = frozenset({"id", "ids", "key", "code", "no", "nr", "num", "uuid", "guid", "ref", "fk", "sk", "oid"})
"""Words that end, or in some houses begin, the name of a column that names a row."""

GENERIC_WORDS = KEY_WORDS | frozenset(
    {"name", "number", "type", "value", "title", "label", "description", "slug", "pk"}
)
"""Words that say nothing of which table a column belongs to."""

_SHORT = {
    "usr": "user",
    "grp": "group",
    "acct": "account",
    "dept": "department",
    "emp": "employee",
    "cust": "customer",
    "addr": "address",
    "msg": "message",
    "cat": "category",
}
# A type with the initial of what it is the type of, as in ``btype``.
_TYPE = re.compile(r"^[a-z]type$")
COLLECTIONS = frozenset({"list", "tree", "table", "tab", "tbl", "master"})
"""Words at the end of a table's name that say only that it holds many."""
# Too short or too common to stand for a table whose words begin with their letters.
_NO_INITIALS = KEY_WORDS | frozenset({"as", "at", "by", "do", "for", "in", "is", "not", "of", "off", "on", "or", "out"}
                                      | {"the", "to", "up", "was", "has", "can", "max", "min"})  # fmt: skip

MEASURES = frozenset(
    {"state", "status", "level", "position", "score", "count", "year", "month", "day", "quality", "version", "order"}
    | {
        "amount",
        "total",
        "rank",
        "size",
        "weight",
        "length",
        "width",
        "height",
        "age",
        "rating",
        "priority",
        "quantity",
    }
)
"""Words that end the names of numbers which count or measure."""

_SELF = frozenset({"parent", "ancestor", "predecessor", "successor", "duplicate", "original", "root", "super"})
_SELF_STARTS = frozenset({"parent", "prev", "previous", "preceding", "next", "ancestor"})
_SELF_PHRASES = frozenset({"report to", "reply to", "in reply to", "reblog of", "copy of", "obsolete by", "replace"})
_PERSONS = (
    *("user", "principal", "app user", "auth user", "employee", "staff", "member", "account", "person"),
    *("customer", "client", "player", "student", "patient"),
)
_STAFF = frozenset({"manager", "supervisor", "boss", "head", "lead", "rep", "support rep", "sale rep", "salesperson"})
_STAFF_FIRST = ("employee", "staff", "user", "person")
_ROLES = frozenset(
    {"author", "creator", "editor", "updater", "deleter", "modifier", "owner", "assignee", "reporter", "reviewer"}
    | {"approver", "sender", "recipient", "receiver", "follower", "subscriber", "uploader", "inviter", "invitee"}
    | {"requestor", "requester", "revoker", "granter", "moderator", "resolver", "submitter", "commenter", "voter"}
    | {"resource owner", "selector", "allocator", "accessor", "curator", "observer", "identifier", "buyer", "seller"}
)
_ROLES_AS_THEY_ARE = frozenset(
    {"creator", "editor", "author", "requestor", "allocator", "patron", "modifier", "selector", "accessor", "collector"}
)
_PERSON_WORDS = frozenset({"staff", "patron", "assignee", "requestor", "requester"})
_DONE_BY = re.compile(r"(\w+(ed|en|sent|made|read)|owned) by( user)?")


@dataclass(frozen=True)
class Name:
    """A name taken apart.

    Attributes:
        words: its words in lower case and in the singular; digits at its end and key words taken off for a column.
        has_key: True where a key word was taken off.
        full: all its words in the singular, digits at the end taken off.
        plural: True where its last word is a plural.
    """

    words: tuple[str, ...]
    has_key: bool
    full: tuple[str, ...]
    plural: bool = False

    @property
    def glued(self) -> str:
        """The words as one, since ``view_instance_id`` may name ``viewinstance``."""
        return "".join(self.words)


@cache
def words_in(name: str) -> tuple[str, ...]:
    """Returns the words of a name in lower case and in the singular.

    >>> words_in("billingCustomer_IDs")
    ('billing', 'customer', 'id')
    """
    words = (singular(part.lower()) for part in _PART.findall(name))
    return tuple(_SHORT.get(word, _TYPE.sub("type", word)) for word in words)


@cache
def singular(word: str) -> str:
    """Returns the singular of a word in lower case.

    >>> [singular(word) for word in ("categories", "statuses", "address", "people")]
    ['category', 'status', 'address', 'person']
    """
    if len(word) <= 3 and word != "ids":
        return word
    # Words on -us and -ss are singular already; the rules know only some of them.
    return word if word.endswith(("ss", "us")) else inflection.singularize(word)


@cache
def name_of_table(name: str) -> Name:
    """Takes the name of a table apart."""
    words = words_in(name)
    return Name(words, False, words)


@cache
def name_of_column(name: str) -> Name:
    """Takes the name of a column apart.

    >>> name_of_column("billing_customer_id").words
    ('billing', 'customer')
    >>> name_of_column("country1").words
    ('country',)
    """
    full = words_in(name)
    while len(full) > 1 and full[-1].isdigit():
        full = full[:-1]
    words = full
    if len(words) > 1 and words[-1] in KEY_WORDS:
        words = words[:-1]
    elif len(words) > 1 and words[0] in ("fk", "id"):
        words = words[1:]
    parts = _PART.findall(name)
    last = parts[-1].lower() if parts else ""
    return Name(words, len(words) < len(full), full, plural=len(last) > 3 and singular(last) != last)


def alike(a: str, b: str) -> bool:
    """Returns True for one word and a short form of it: ``def`` and ``definition``."""
    short, long = sorted((a, b), key=len)
    return len(short) >= 3 and long.startswith(short)


def initials(words: tuple[str, ...]) -> str:
    """Returns the first letters of several words; nothing where that is no short form of them.

    >>> initials(("entity", "credit", "account"))
    'eca'
    """
    letters = "".join(word[0] for word in words)
    return letters if len(words) > 1 and letters.isalpha() and letters not in _NO_INITIALS else ""


def spelled_out(name: Name, short: str, long: tuple[str, ...]) -> Name:
    """Returns a name with a short form replaced by the words that it stands for."""
    if short not in name.words:
        return name
    words, full = (
        tuple(part for word in some for part in (long if word == short else (word,)))
        for some in (name.words, name.full)
    )
    return replace(name, words=words, full=full)


def ends_with(words: tuple[str, ...], tail: tuple[str, ...]) -> bool:
    """Returns True where a name ends with another, written apart or together."""
    if words[len(words) - len(tail) :] == tail:
        return bool(tail)
    glued = "".join(tail)
    return any("".join(words[at:]) == glued for at in range(len(words)))


def says_self(name: Name, table: Name) -> bool:
    """Returns True for a column that names a row of its own table, such as ``parent_id`` or ``reports_to``."""
    phrase = " ".join(name.words)
    if phrase in _SELF_PHRASES or (len(name.words) == 1 and name.words[0] in _SELF):
        return True
    rest = name.words[1:]
    return bool(rest) and name.words[0] in _SELF_STARTS and all(alike(*pair) for pair in _pairs(rest, table.words))


def _pairs(tail: tuple[str, ...], words: tuple[str, ...]) -> list[tuple[str, str]]:
    """The words of a tail beside the last words of a name; a pair of strangers where there are not as many."""
    return list(zip(tail, words[-len(tail) :], strict=True)) if len(tail) <= len(words) else [("", "?")]


def says_person(name: Name) -> tuple[str, ...]:
    """Returns names of tables that hold whom a column names by a role, the likeliest first; none where it names none.

    >>> says_person(name_of_column("author_id"))[0]
    'user'
    """
    phrase = " ".join(name.words)
    if phrase in _STAFF and name.has_key:
        return _STAFF_FIRST
    if phrase == "report to":
        return _STAFF_FIRST
    if name.words[-1] in _PERSON_WORDS:
        return _PERSONS
    if (phrase in _ROLES and name.has_key) or phrase in _ROLES_AS_THEY_ARE or _DONE_BY.fullmatch(phrase):
        return _PERSONS
    return ()
