"""The schema map: what the catalog cannot say, written by the tool, corrected by a person.

A map is YAML. Per table it says which role the table plays and how its rows hang together; per column, which kind
makes its values. Reading it checks the form only; whether it fits a schema is for :func:`replica.plan.plan` to say.
"""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from replica.errors import SchemaMapError, did_you_mean
from replica.schema.rules import AnyRule, Rule

Triggers = Literal["skip", "fire", "statement"]
Role = Literal["subject", "private", "public", "lookup", "skip"]

STRUCTURAL = frozenset({"key", "reference", "polymorphic", "generated", "counter", "period_end", "derived"})
"""Kinds of columns that follow from the structure and are no column kinds: nothing is learned of them."""

_PLAIN = re.compile(r"[A-Za-z_][\w.()-]*( [\w.()-]+)*")
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_CONFIG = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


@dataclass(config=_CONFIG)
class ColumnMap:
    """What makes a column's values.

    Attributes:
        kind: a column kind, a class of personal data, or one of ``STRUCTURAL``.
        type: the column's type when the map was written; a change stops the run.
        after: for a moment, the column of the same row that it never comes before.
        near: for a moment, the column of the same row that it stays close to.
        within: for a counter, the columns within whose values it counts from its start.
        of: for the end of a period, the column with the start of the next one.
        value: for a credential, one known value that every row gets.
        bins: for a number or a moment, the most bins.
        sql: for a derived column, the SQL expression that computes it in the target.
        start: for a key or a counter, its first value.
    """

    kind: Annotated[str, Field(description="number, category, text, email, key, reference, ...")]
    type: Annotated[str | None, Field(description="The column's type when the map was written.")] = None
    after: Annotated[str | None, Field(description="Moment: a column of the row that it never comes before.")] = None
    near: Annotated[str | None, Field(description="Moment: a column of the row that it stays close to.")] = None
    within: Annotated[tuple[str, ...], Field(description="Counter: it counts within the values of these.")] = ()
    of: Annotated[str | None, Field(description="Period end: the column that starts the next period.")] = None
    value: Annotated[str | None, Field(description="Credential: one known value for every row.")] = None
    bins: Annotated[int | None, Field(ge=2, description="Number or moment: the most bins.")] = None
    sql: Annotated[str | None, Field(description="Derived: the SQL expression that computes it.")] = None
    start: Annotated[int | None, Field(description="Key or counter: its first value.")] = None

    @property
    def options(self) -> dict[str, Any]:
        """What the column kind is told beyond the column itself."""
        return {name: value for name, value in (("bins", self.bins), ("value", self.value)) if value is not None}


@dataclass(config=_CONFIG)
class ReferenceMap:
    """A reference that the schema does not declare.

    Attributes:
        columns: the child's columns.
        parent: the parent table.
        parent_columns: the parent's columns, which must be unique there.
    """

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]


@dataclass(config=_CONFIG)
class PolymorphicMap:
    """A pair of columns that together point to a row: one says in which table, the other which.

    Attributes:
        type: the column that says in which table.
        id: the column that says which row.
        parents: the table that each value of the type stands for; its primary key has one column.
    """

    type: str
    id: str
    parents: Mapping[str, str]


@dataclass(config=_CONFIG)
class InsideMap:
    """Keys of other rows inside the values of an array or a JSON document.

    Attributes:
        column: the column.
        path: where in a value they are: names of members, ``*`` for each element of a list; ``["*"]`` for an array.
        parent: the parent table; its primary key has one column.
    """

    column: str
    path: tuple[str, ...]
    parent: str


@dataclass(config=_CONFIG)
class TableMap:
    """What a table is and how its rows hang together.

    Attributes:
        role: ``subject`` for the persons that the data are about, ``private`` for what belongs to persons, ``public``
            for what belongs to nobody, ``lookup`` for a list to copy as it is, ``skip`` to leave the table empty.
        owner: the columns of the reference under which rows are grouped and made; None for a table of its own.
        order: the column that orders the rows of one owner.
        link: the columns of a reference to rows that belong to persons through this table alone, as an account belongs
            to a client through a disposition; for differential privacy.
        generator: the family of generators; None for the run's default.
        locale: the column that holds a country, from which names and addresses take their language.
        triggers: ``skip`` so that the table's triggers do not see the rows of a replica, ``fire`` so that they see each
            row come, ``statement`` so that they see each row updated once all are there.
        references: references that the schema does not declare.
        polymorphic: pairs of columns that point to rows of several tables.
        keys_inside: keys of other rows inside arrays and JSON documents.
        rules: rules that the schema does not declare and the rows keep.
        predict: columns that an evaluation predicts from all others, having learned how from the replica.
        columns: what makes each column's values.
    """

    role: Annotated[Role, Field(description="subject, private, public, lookup (copied as it is) or skip (left empty).")]
    owner: Annotated[tuple[str, ...] | None, Field(description="Columns of the reference that owns the rows.")] = None
    order: Annotated[str | None, Field(description="The column that orders the rows of one owner.")] = None
    link: Annotated[
        tuple[str, ...] | None, Field(description="Columns of the reference to rows that belong to persons through it.")
    ] = None
    generator: Annotated[
        str | None, Field(description="autoregressive or marginal; the run's default if left out.")
    ] = None
    locale: Annotated[str | None, Field(description="The column with a country that names are taken from.")] = None
    triggers: Annotated[
        Triggers, Field(description="skip, fire (they see rows come) or statement (they see rows updated).")
    ] = "skip"
    references: Annotated[
        tuple[ReferenceMap, ...], Field(description="References that the schema does not declare.")
    ] = ()
    polymorphic: Annotated[
        tuple[PolymorphicMap, ...], Field(description="Pairs of columns that point to rows of several tables.")
    ] = ()
    keys_inside: Annotated[
        tuple[InsideMap, ...], Field(description="Keys of other rows inside arrays and JSON documents.")
    ] = ()
    rules: Annotated[tuple[AnyRule, ...], Field(description="Rules that the rows keep, undeclared as they are.")] = ()
    predict: Annotated[tuple[str, ...], Field(description="Columns that an evaluation predicts from the others.")] = ()
    columns: Annotated[Mapping[str, ColumnMap], Field(description="What makes each column's values.")] = Field(
        default_factory=dict
    )


@dataclass(config=_CONFIG)
class SchemaMap:
    """A whole map.

    Attributes:
        version: of the format.
        locale: where names and addresses come from when no column says so.
        tables: table ids and what is said of each.
    """

    version: Literal[1] = 1
    locale: Annotated[str, Field(description="Faker's locale for names and addresses, such as en_US.")] = "en_US"
    tables: Annotated[Mapping[str, TableMap], Field(description="Tables by qualified name.")] = Field(
        default_factory=dict
    )


_ADAPTER = TypeAdapter(SchemaMap)

Comments = Mapping[tuple[str, str | None], str]
"""Why the tool guessed what it guessed: by table, and column or None for the table itself;
see ``LOCALE`` too.

What is said of references is found under :func:`place_of`, and what was not sure enough to be written under
``PERHAPS``, a line each.
"""

PERHAPS = "?"


def place_of(found: ReferenceMap | PolymorphicMap | InsideMap) -> str:
    """Returns under which name comments speak of a reference."""
    if isinstance(found, ReferenceMap):
        return f"-> {', '.join(found.columns)}"
    return f"-> {found.id}" if isinstance(found, PolymorphicMap) else f"-> {found.column}.{'.'.join(found.path)}"


LOCALE = ("", None)
"""The key of the comment on the map's own locale."""


def json_schema() -> dict[str, Any]:
    """Returns the JSON Schema of maps, which gives completion in editors."""
    schema = _ADAPTER.json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Replica schema map", **schema}


def read_map(path: Path) -> SchemaMap:
    """Reads a map.

    Raises:
        SchemaMapError: the file is missing, is not YAML, or has a key or a value that maps do not have.
    """
    try:
        text = path.read_text(encoding="utf8")
    except (OSError, UnicodeDecodeError):
        raise SchemaMapError(f"schema map {path} cannot be read: check the path") from None
    return parse_map(text, str(path))


def parse_map(text: str, name: str = "schema map") -> SchemaMap:
    """Reads a map from text; see :func:`read_map`."""
    try:
        data = YAML(typ="safe").load(text)
    except YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = f" at line {line + 1}" if line is not None else ""
        raise SchemaMapError(f"{name} is not YAML{where}: check its indentation and quotes") from None
    try:
        return _ADAPTER.validate_python({} if data is None else data)
    except ValidationError as error:
        # A mistyped key is named before what is missing because of it.
        first = min(error.errors(include_url=False, include_input=False), key=lambda one: one["type"] not in _UNKNOWN)
        place = ".".join(str(part) for part in first["loc"])
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise SchemaMapError(f"{name}: {place}: {_problem(first)}{more}") from None


_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
_KEYS = sorted({key.name for part in (SchemaMap, TableMap, ColumnMap, ReferenceMap) for key in fields(part)})


def _problem(error: Mapping[str, Any]) -> str:
    if error["type"] in _UNKNOWN:
        hint = did_you_mean(str(error["loc"][-1]), _KEYS)
        return f"unknown key: see docs/schema-map.md for the keys that exist{hint}"
    return str(error["msg"]).lower()


def write_map(schema_map: SchemaMap, comments: Comments, previous: str | None = None) -> str:
    """Writes a map as YAML, with a comment on each guess.

    Args:
        schema_map: the map.
        comments: why each thing was guessed.
        previous: the text of an earlier map. What stands there, comments included, stays as it is; only tables and
            columns that it lacks are added, marked as new, and those that the source no longer has are removed. A
            column's type follows the source.

    Raises:
        SchemaMapError: the earlier text is no map.
    """
    text = _in_blocks(previous) if previous is not None else ""
    page = _Page(
        text
        or _HEADER.format(version=schema_map.version, locale=_yaml(schema_map.locale) + _comment(comments.get(LOCALE)))
    )
    known = page.document.get("tables") or {}
    for name in known:
        if name in schema_map.tables:
            # First, so that what goes to the end of a list stays before columns that come behind it.
            page.add_references(name, schema_map.tables[name], comments)
            page.add_rules(name, schema_map.tables[name], comments)
            page.update_columns(name, schema_map.tables[name], comments)
    page.update(
        page.document,
        "tables",
        {
            name: [] if name in known else _table_lines(name, table, comments, is_new=bool(text))
            for name, table in schema_map.tables.items()
        },
        len(page.lines),
    )
    return page.text()


_HEADER = """\
# Schema map: what the catalog cannot say. Every line is a guess until a person has read it.
# Change what is wrong; `replica map` keeps your changes when it adds what is new.
version: {version}
locale: {locale}
"""


def _in_blocks(text: str) -> str:
    """The map with each table and column on lines of its own, as it is unless it was written in braces; "" if empty.

    Raises:
        SchemaMapError: it is no map.
    """
    parse_map(text)
    yaml = YAML()
    yaml.width = sys.maxsize
    yaml.preserve_quotes = True
    document = yaml.load(text)
    if not document:
        return ""
    tables = document.get("tables") or {}
    nodes = [document, tables, *tables.values(), *(table.get("columns") or {} for table in tables.values())]
    nodes += [table[key] for table in tables.values() for key in _REFERENCES if table.get(key)]
    in_braces = [node for node in nodes if node and node.fa.flow_style()]
    if not in_braces:
        return text
    for node in in_braces:
        node.fa.set_block_style()
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue()


class _Page:
    """The lines of a map. They are edited where they stand, so that what a person wrote stays as it is.

    Args:
        text: a map in block style.
    """

    def __init__(self, text: str) -> None:
        self.document = YAML().load(text)
        self.lines = text.removesuffix("\n").split("\n")
        self._edits: list[tuple[int, int, list[str]]] = []

    def text(self) -> str:
        """Returns the lines with all edits."""
        lines, edits = self.lines.copy(), sorted(self._edits, key=lambda edit: edit[:2])
        # From the last line to the first, so that the numbers of the others hold.
        for start, end, added in reversed(edits):
            lines[start:end] = added
        return "\n".join(lines) + "\n"

    def update(self, parent: CommentedMap, key: str, wanted: Mapping[str, list[str]], end: int) -> None:
        """Brings the entries of a mapping up to date.

        Args:
            parent: what holds the mapping.
            key: the mapping's key there.
            wanted: the entries that are to be there, with their lines if they are new.
            end: the line behind the parent.
        """
        node = parent.get(key) or CommentedMap()
        # Entries merged in from elsewhere have no lines here.
        entries = [name for name in node if name in node.lc.data]
        added = [line for lines in wanted.values() for line in lines]
        if any(name in wanted for name in entries):
            for name in entries:
                if name not in wanted:
                    self._edits.append((node.lc.key(name)[0], self._end(node, name), []))
            last = max(self._end(node, name) for name in entries)
            self._edits.append((last, last, _indented(added, _column(node))))
            return
        # An empty mapping may not stand open, so it comes and goes with its key.
        if node or (key in parent and added):
            self._edits.append((parent.lc.key(key)[0], self._end(parent, key), []))
        if added:
            self._edits.append((end, end, _indented([f"{key}:", *_indented(added, 2)], _column(parent))))

    def add_rules(self, name: str, table: TableMap, comments: Comments) -> None:
        """Adds rules to a table that says nothing of rules; a list that stands there, even an empty one, stays."""
        node = self.document["tables"][name]
        if not table.rules or "rules" in node:
            return
        at = node.lc.key("columns")[0] if "columns" in node.lc.data else self._end(self.document["tables"], name)
        self._edits.append((at, at, _indented(_rule_lines(name, table, comments, is_new=True), _column(node))))

    def update_columns(self, name: str, table: TableMap, comments: Comments) -> None:
        """Brings a table's columns up to date: those it has, and their types."""
        tables = self.document["tables"]
        known = tables[name].get("columns") or {}
        for column, found in table.columns.items():
            if column in known and found.type is not None:
                self._update_type(known[column], found.type)
        wanted = {
            column: [] if column in known else [_column_line(column, found, _new(comments.get((name, column))))]
            for column, found in table.columns.items()
        }
        self.update(tables[name], "columns", wanted, self._end(tables, name))

    def add_references(self, name: str, table: TableMap, comments: Comments) -> None:
        """Adds the references that columns which the map lacks take part in; without them those would hold nothing."""
        tables = self.document["tables"]
        known = tables[name].get("columns") or {}
        for key, entries in _references(table).items():
            new = [found for found in entries if set(known) < {*known, *_columns_of(found)} <= {*known, *table.columns}]
            lines = [_reference_line(found, _new(comments.get((name, place_of(found))))) for found in new]
            if new and tables[name].get(key):
                end, column = self._end_of_list(tables[name][key])
                self._edits.append((end, end, _indented(lines, column)))
            elif new:
                start = tables.lc.key(name)[0] + 1
                self._edits.append((start, start, _indented([f"{key}:", *_indented(lines, 2)], _column(tables[name]))))

    def _end_of_list(self, node: CommentedSeq) -> tuple[int, int]:
        """The line behind a list, and how far its dashes are indented."""
        line = int(node.lc.item(len(node) - 1)[0])
        column = self.lines[line].index("-")
        end = line + 1
        for at in range(line + 1, len(self.lines)):
            bare = self.lines[at].lstrip()
            if bare and not bare.startswith("#"):
                if len(self.lines[at]) - len(bare) <= column:
                    break
                end = at + 1
        return end, column

    def _update_type(self, node: CommentedMap, wanted: str) -> None:
        if node.get("type") in (None, wanted):
            return
        at, column = node.lc.value("type")
        head, tail = self.lines[at][:column], self.lines[at][column:]
        old = node["type"]
        for written in (_scalar(old), old, f"'{old}'", json.dumps(old, ensure_ascii=False)):
            if tail.startswith(written):
                self.lines[at] = head + _scalar(wanted) + tail.removeprefix(written)
                return

    def _end(self, node: CommentedMap, key: str) -> int:
        """The line behind an entry; comments that follow it belong to what comes next."""
        start, column = node.lc.key(key)
        end: int = start + 1
        for at in range(start + 1, len(self.lines)):
            bare = self.lines[at].lstrip()
            if not bare or bare.startswith("#"):
                continue
            if len(self.lines[at]) - len(bare) <= column:
                break
            end = at + 1
        return end


def _column(node: CommentedMap) -> int:
    """How far the keys of a mapping are indented."""
    return int(node.lc.key(next(iter(node.lc.data)))[1])


def _indented(lines: list[str], by: int) -> list[str]:
    return [" " * by + line for line in lines]


def _table_lines(name: str, table: TableMap, comments: Comments, *, is_new: bool) -> list[str]:
    why = comments.get((name, None))
    lines = [f"role: {table.role}{_comment(_new(why) if is_new else why)}"]
    if table.owner:
        lines.append(f"owner: {_yaml(list(table.owner))}")
    if table.link:
        lines.append(f"link: {_yaml(list(table.link))}")
    single = {"order": table.order, "generator": table.generator, "locale": table.locale}
    lines += [f"{key}: {_yaml(value)}" for key, value in single.items() if value is not None]
    if table.triggers != "skip":
        lines.append(f"triggers: {table.triggers}")
    if table.predict:
        lines.append(f"predict: {_yaml(list(table.predict))}")
    lines += _reference_lines(name, table, comments)
    lines += _rule_lines(name, table, comments, is_new=False)
    if table.columns:
        lines.append("columns:")
        lines += [
            "  " + _column_line(column, found, comments.get((name, column))) for column, found in table.columns.items()
        ]
    return [f"{_yaml(name)}:", *_indented(lines, 2)]


def _rule_lines(name: str, table: TableMap, comments: Comments, *, is_new: bool) -> list[str]:
    whys = [comments.get(rule_key(name, rule)) for rule in table.rules]
    listed = [
        f"  - {_rule_text(rule)}{_comment(_new(why) if is_new else why)}"
        for rule, why in zip(table.rules, whys, strict=True)
    ]
    return ["rules:", *listed] if listed else []


def rule_key(table: str, rule: Rule) -> tuple[str, str]:
    """Returns under which key the comment on a rule of a table stands."""
    return table, f"rule {_rule_text(rule)}"


def _rule_text(rule: Rule) -> str:
    """A rule on one line: its form first, whether it is kept last."""
    values = {found.name: getattr(rule, found.name) for found in fields(rule)}
    order = {"form": rule.form} | {name: value for name, value in values.items() if name != "keep"}
    listed = {name: list(value) if isinstance(value, tuple) else value for name, value in order.items()}
    return _yaml({name: v for name, v in listed.items() if v not in (None, [], False)} | {"keep": rule.keep})


def _reference_lines(name: str, table: TableMap, comments: Comments) -> list[str]:
    """The references of all forms, each with its evidence, and as comments those that were not sure enough."""
    lines = []
    for key, entries in _references(table).items():
        if entries:
            lines.append(f"{key}:")
        lines += [f"  {_reference_line(found, comments.get((name, place_of(found))))}" for found in entries]
    perhaps = comments.get((name, PERHAPS), "")
    return lines + [_comment(f"perhaps: {line}").strip() for line in perhaps.splitlines()]


_REFERENCES = ("references", "polymorphic", "keys_inside")


def _references(table: TableMap) -> dict[str, tuple[ReferenceMap | PolymorphicMap | InsideMap, ...]]:
    return {key: getattr(table, key) for key in _REFERENCES}


def _reference_line(found: ReferenceMap | PolymorphicMap | InsideMap, why: str | None) -> str:
    values = {field.name: _plain(getattr(found, field.name)) for field in fields(found)}
    return f"- {_yaml(values)}{_comment(why)}"


def _columns_of(found: ReferenceMap | PolymorphicMap | InsideMap) -> tuple[str, ...]:
    if isinstance(found, ReferenceMap):
        return found.columns
    return (found.type, found.id) if isinstance(found, PolymorphicMap) else (found.column,)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _column_line(name: str, column: ColumnMap, why: str | None) -> str:
    values = {found.name: getattr(column, found.name) for found in fields(column)}
    order = {"type": None, "kind": None} | values
    listed = {key: list(value) if isinstance(value, tuple) else value for key, value in order.items()}
    return f"{_yaml(name)}: {_yaml({k: v for k, v in listed.items() if v not in (None, [])})}{_comment(why)}"


def _new(why: str | None) -> str:
    return f"new; {why}" if why else "new"


def _comment(text: str | None) -> str:
    """Text as a comment at the end of a line; names in it may hold what YAML allows in no comment."""
    return "  # " + " ".join("".join(c if c.isprintable() else " " for c in text).split()) if text else ""


def _yaml(value: Any) -> str:
    """A value as YAML on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_yaml(key)}: {_yaml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return _scalar(value) if isinstance(value, str) else str(value)


def _scalar(text: str) -> str:
    """Text without quotes where it reads as itself, otherwise in the quotes that it needs."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return "".join(c if c.isprintable() else _escaped(c) for c in json.dumps(text, ensure_ascii=False))


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 2**8 else f"\\u{code:04x}" if code < 2**16 else f"\\U{code:08x}"
