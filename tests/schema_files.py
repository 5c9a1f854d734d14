"""Schema files: SQL in sections, one per feature, each with what must be true of its replica.

A file under ``schemas/`` is SQL that any ``psql`` runs. Its comments of these forms are read::

    -- Feature: arrays with nulls            begins a section; what stands before the first one is the file's own
    -- Needs: extension citext               leaves the section (or the file) out where the server lacks it
    -- Needs: feature icu                    likewise, where it was built without ICU or XML
    -- Needs: server 18                      likewise, below that version; with "before", from it on
    -- Map: public.person triggers fire      a line of the schema map: table, key, value; columns.x: derived as
    -- Fails: why                            the section (or every section of the file) is known to fail
    -- True: SELECT ...                      gives true in the replica
    -- Same: SELECT ...                      gives the same in the source and in the replica

A query goes on in comment lines below it that are indented by two spaces and more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_DIRECTIVE = re.compile(r"^-- (?P<key>Feature|Needs|Map|Fails|True|Same): *(?P<text>.*(?:\n--   *.*)*)", re.MULTILINE)
_GOES_ON = re.compile(r"\n--\s+")


@dataclass(frozen=True)
class Section:
    """One feature of a file.

    Attributes:
        name: the feature; empty for what stands before the first.
        script: its SQL.
        needs: what the server must have, as in ``extension citext``.
        maps: lines of the schema map, each a table, a key and a value.
        fails: why it is known to fail; None where it works.
        true: queries that give true in the replica.
        same: queries that give the same in source and replica.
    """

    name: str
    script: str
    needs: tuple[str, ...]
    maps: tuple[tuple[str, str, str], ...]
    fails: str | None
    true: tuple[str, ...]
    same: tuple[str, ...]


def read_sections(path: Path) -> list[Section]:
    """Returns the sections of a file, the file's own first."""
    parts = re.split(r"^(?=-- Feature: )", path.read_text(encoding="utf8"), flags=re.MULTILINE)
    head, *features = map(_section, parts)
    assert not head.name, f"{path.name}: a header comes first"
    assert features, f"{path.name}: no feature"
    return [head, *features]


def _section(text: str) -> Section:
    found: dict[str, list[str]] = {}
    for directive in _DIRECTIVE.finditer(text):
        found.setdefault(directive["key"], []).append(_GOES_ON.sub(" ", directive["text"]).strip())
    maps = [re.fullmatch(r"(\S+) (\S+) (\S+)", line) for line in found.get("Map", [])]
    return Section(
        name=found.get("Feature", [""])[0],
        script=text,
        needs=tuple(found.get("Needs", [])),
        maps=tuple((m[1], m[2], m[3]) for m in maps if m),
        fails=found.get("Fails", [None])[0],
        true=tuple(found.get("True", [])),
        same=tuple(found.get("Same", [])),
    )
