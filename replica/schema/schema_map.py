"""The schema map: what the catalog cannot say, written by the tool, corrected by a person.

A map is YAML. Per table it says which role the table plays and how its rows hang together; per column, which kind
makes its values. Reading it checks the form only; whether it fits a schema is for :func:`replica.plan.plan` to say.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from replica.errors import SchemaMapError

Role = Literal["subject", "private", "public", "lookup", "skip"]

STRUCTURAL = frozenset({"key", "reference", "generated", "counter", "period_end", "derived"})
"""Kinds of columns that follow from the structure and are no column kinds: nothing is learned of them."""

_CONFIG = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
_WIDTH = 120


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
class TableMap:
    """What a table is and how its rows hang together.

    Attributes:
        role: ``subject`` for the persons that the data are about, ``private`` for what belongs to persons, ``public``
            for what belongs to nobody, ``lookup`` for a list to copy as it is, ``skip`` to leave the table empty.
        owner: the columns of the reference under which rows are grouped and made; None for a table of its own.
        order: the column that orders the rows of one owner.
        generator: the family of generators; None for the run's default.
        locale: the column that holds a country, from which names and addresses take their language.
        references: references that the schema does not declare.
        columns: what makes each column's values.
    """

    role: Annotated[Role, Field(description="subject, private, public, lookup (copied as it is) or skip (left empty).")]
    owner: Annotated[tuple[str, ...] | None, Field(description="Columns of the reference that owns the rows.")] = None
    order: Annotated[str | None, Field(description="The column that orders the rows of one owner.")] = None
    generator: Annotated[
        str | None, Field(description="autoregressive or marginal; the run's default if left out.")
    ] = None
    locale: Annotated[str | None, Field(description="The column with a country that names are taken from.")] = None
    references: Annotated[
        tuple[ReferenceMap, ...], Field(description="References that the schema does not declare.")
    ] = ()
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
"""Why the tool guessed what it guessed: by table, and column or None for the table itself."""


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
        return _ADAPTER.validate_python(data or {})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise SchemaMapError(f"{name}: {place}: {_problem(first)}{more}") from None


def _problem(error: Mapping[str, Any]) -> str:
    if error["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return "unknown key: see docs/schema-map.md for the keys that exist"
    return str(error["msg"]).lower()


def write_map(schema_map: SchemaMap, comments: Comments, previous: str | None = None) -> str:
    """Writes a map as YAML, with a comment on each guess.

    Args:
        schema_map: the map.
        comments: why each thing was guessed.
        previous: the text of an earlier map. What stands there, comments included, stays as it is; only tables and
            columns that it lacks are added, and those that the source no longer has are removed.
    """
    yaml = YAML()
    yaml.width = _WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(previous) if previous else None
    if document is None:
        document = _new_document(schema_map)
    tables = document.setdefault("tables", CommentedMap())
    for name in [name for name in tables if name not in schema_map.tables]:
        del tables[name]
    for name, table in schema_map.tables.items():
        if name not in tables:
            tables[name] = _table_node(name, table, comments)
        else:
            _update_columns(tables[name], name, table, comments)
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue()


def _new_document(schema_map: SchemaMap) -> CommentedMap:
    document = CommentedMap(version=schema_map.version, locale=schema_map.locale)
    document.yaml_set_start_comment(
        "Schema map: what the catalog cannot say. Every line is a guess until a person has read it.\n"
        "Change what is wrong; `replica map` keeps your changes when it adds what is new."
    )
    return document


def _table_node(name: str, table: TableMap, comments: Comments) -> CommentedMap:
    node = CommentedMap(role=table.role)
    _comment(node, "role", comments.get((name, None)))
    if table.owner:
        node["owner"] = _flow(list(table.owner))
    for key in ("order", "generator", "locale"):
        if getattr(table, key) is not None:
            node[key] = getattr(table, key)
    if table.references:
        node["references"] = [
            _flow_map({"columns": list(r.columns), "parent": r.parent, "parent_columns": list(r.parent_columns)})
            for r in table.references
        ]
    columns = CommentedMap()
    node["columns"] = columns
    for column, found in table.columns.items():
        columns[column] = _column_node(found)
        _comment(columns, column, comments.get((name, column)))
    return node


def _update_columns(node: CommentedMap, name: str, table: TableMap, comments: Comments) -> None:
    columns = node.setdefault("columns", CommentedMap())
    for column in [column for column in columns if column not in table.columns]:
        del columns[column]
    for column, found in table.columns.items():
        if column not in columns:
            columns[column] = _column_node(found)
            note = comments.get((name, column))
            _comment(columns, column, f"new; {note}" if note else "new")
        elif isinstance(columns[column], dict) and columns[column].get("type") not in (None, found.type):
            columns[column]["type"] = found.type


def _column_node(column: ColumnMap) -> CommentedMap:
    values: dict[str, Any] = {"type": column.type, "kind": column.kind}
    values |= {
        "after": column.after,
        "near": column.near,
        "within": list(column.within),
        "of": column.of,
        "value": column.value,
    }
    values |= {"bins": column.bins, "sql": column.sql, "start": column.start}
    return _flow_map({key: value for key, value in values.items() if value not in (None, [])})


def _flow_map(values: Mapping[str, Any]) -> CommentedMap:
    node = CommentedMap({key: _flow(value) if isinstance(value, list) else value for key, value in values.items()})
    node.fa.set_flow_style()
    return node


def _flow(values: list[str]) -> Any:
    node = CommentedSeq(values)
    node.fa.set_flow_style()
    return node


def _comment(node: CommentedMap, key: str, text: str | None) -> None:
    if text:
        node.yaml_add_eol_comment(text.replace("\n", " "), key)
