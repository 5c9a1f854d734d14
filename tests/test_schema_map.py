"""Schema maps are written, read, checked and updated without losing what a person wrote."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

import replica
from replica.databases.url import DatabaseUrl
from replica.errors import SchemaMapError
from replica.inference import Draft
from replica.schema.schema_map import (
    LOCALE,
    ColumnMap,
    ReferenceMap,
    Role,
    SchemaMap,
    TableMap,
    json_schema,
    parse_map,
    read_map,
    write_map,
)

EDITED = """\
# Ours; ask Ada before you change it.
version: 1
locale: de_DE

tables:
  # The shop's people
  public.client:
    role: subject  # sure
    columns:
      # a key
      id: {type: integer, kind: key}
      # looks odd, but is right
      "E-Mail": {type: text, kind: 'email'}   # read by Ada

      # from the old system
      legacy: {type: text, kind: code}
  # Gone soon
  public.visit:
    role: private
    owner: [client_id]
    columns:
      client_id:
        type: numeric(5,2)
        kind: reference
  # The end
  public.unit:
    role: lookup
    columns: {}
# fin
"""

names = st.sampled_from(["a", "b", "public.t", "null", "E-Mail: #1"]) | st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1, max_size=63
)
name_lists = st.lists(names, max_size=3).map(tuple)
columns = st.builds(
    ColumnMap,
    kind=names,
    type=st.none() | names,
    after=st.none() | names,
    near=st.none() | names,
    within=name_lists,
    of=st.none() | names,
    value=st.none() | names,
    bins=st.none() | st.integers(2, 1000),
    sql=st.none() | st.text(st.characters(blacklist_categories=["Cs"]), min_size=1),
    start=st.none() | st.integers(-(2**63), 2**63 - 1),
)
references = st.builds(ReferenceMap, columns=name_lists, parent=names, parent_columns=name_lists)
tables = st.builds(
    TableMap,
    role=st.sampled_from(get_args(Role)),
    owner=st.none() | st.lists(names, min_size=1, max_size=3).map(tuple),
    order=st.none() | names,
    generator=st.none() | names,
    locale=st.none() | names,
    predict=st.lists(names, max_size=2).map(tuple),
    references=st.lists(references, max_size=2).map(tuple),
    columns=st.dictionaries(names, columns, max_size=4),
)
maps = st.builds(SchemaMap, locale=names, tables=st.dictionaries(names, tables, max_size=4))


@pytest.fixture(scope="module")
def draft(company: DatabaseUrl) -> Draft:
    return replica.draft(company)


def table(**columns: str) -> TableMap:
    """A table whose columns have these kinds and the type ``integer``."""
    return TableMap(
        role="public", columns={name: ColumnMap(kind=kind, type="integer") for name, kind in columns.items()}
    )


def edited(changes: Callable[[dict[str, TableMap]], None]) -> str:
    """The edited map after the source has changed."""
    found = dict(parse_map(EDITED).tables)
    changes(found)
    return write_map(SchemaMap(tables=found), {}, EDITED)


def is_new(found: ReferenceMap, known: TableMap, wanted: TableMap) -> bool:
    """True for a reference that holds a column which a map lacks."""
    columns = set(found.columns)
    return not columns <= set(known.columns) and columns <= {*known.columns, *wanted.columns}


def with_columns(found: TableMap, **columns: ColumnMap) -> TableMap:
    return replace(found, columns={**found.columns, **columns})


def without_columns(found: TableMap, *names: str) -> TableMap:
    return replace(found, columns={name: column for name, column in found.columns.items() if name not in names})


def lines_without(text: str, *gone: str) -> list[str]:
    return [line for line in text.splitlines() if not any(part in line for part in gone)]


@settings(max_examples=60, deadline=None)
@given(maps)
def test_any_map_is_read_as_it_was_written(schema_map: SchemaMap) -> None:
    assert parse_map(write_map(schema_map, {})) == schema_map


@settings(max_examples=60, deadline=None)
@given(maps, maps, st.text())
def test_any_update_has_what_the_source_has_and_keeps_what_was_said(
    old: SchemaMap, new: SchemaMap, comment: str
) -> None:
    comments = {(name, column): comment for name, found in new.tables.items() for column in (None, *found.columns)}
    written = parse_map(write_map(new, comments, write_map(old, {})))
    assert written.locale == old.locale
    assert set(written.tables) == set(new.tables)
    for name, found in written.tables.items():
        known = old.tables.get(name, new.tables[name])
        added = (
            [r for r in new.tables[name].references if is_new(r, known, new.tables[name])] if name in old.tables else []
        )
        assert replace(found, columns={}) == replace(known, columns={}, references=(*known.references, *added))
        assert set(found.columns) == set(new.tables[name].columns)
        for column, said in found.columns.items():
            drafted = new.tables[name].columns[column]
            before = known.columns.get(column, drafted)
            type_now = drafted.type if before.type and drafted.type else before.type
            assert said == replace(before, type=type_now)


def test_a_draft_is_read_as_it_was_written(draft: Draft) -> None:
    assert parse_map(write_map(draft.schema_map, draft.comments)) == draft.schema_map


def test_every_guess_of_a_draft_says_why_beside_it(draft: Draft) -> None:
    lines = write_map(draft.schema_map, draft.comments).splitlines()
    assert lines[0].startswith("# Schema map")
    assert f"locale: {draft.schema_map.locale}  # {draft.comments[LOCALE]}" in lines
    for (name, column), why in draft.comments.items():
        if (name, column) == LOCALE:
            continue
        if column is not None and column not in draft.schema_map.tables[name].columns:
            assert why.splitlines()[0] in "\n".join(lines)
            continue
        within = lines[lines.index(f"  {name}:") + 1 :]
        rule = column.removeprefix("rule ") if column else None
        start = "role: " if column is None else f"{column}: " if rule == column else f"- {rule}"
        assert next(line for line in within if line.strip().startswith(start)).endswith(f"  # {why}")


def test_a_comment_may_hold_any_character() -> None:
    text = write_map(
        SchemaMap(tables={"public.t": table(a="key")}), {("public.t", "a"): "odd\r\n\x07\x85\u2028#: {name}"}
    )
    assert "# odd #: {name}" in text
    assert parse_map(text).tables["public.t"] == table(a="key")


def test_an_update_without_news_leaves_every_byte_in_place() -> None:
    assert edited(lambda _: None) == EDITED


def test_a_new_column_is_marked_and_nothing_else_changes() -> None:
    def change(found: dict[str, TableMap]) -> None:
        found["public.client"] = with_columns(found["public.client"], born=ColumnMap(kind="moment", type="date"))

    text = edited(change)
    assert "      born: {type: date, kind: moment}  # new\n  # Gone soon\n" in text
    assert lines_without(text, "born") == EDITED.splitlines()


def test_a_new_table_is_marked_and_nothing_else_changes() -> None:
    found = {**parse_map(EDITED).tables, "public.new": table(a="key")}
    text = write_map(SchemaMap(tables=found), {("public.new", None): "a guess"}, EDITED)
    assert (
        "  public.new:\n    role: public  # new; a guess\n    columns:\n      a: {type: integer, kind: key}\n" in text
    )
    assert text.startswith(EDITED.removesuffix("# fin\n"))


def test_a_column_that_is_gone_takes_no_comment_with_it() -> None:
    def change(found: dict[str, TableMap]) -> None:
        found["public.client"] = without_columns(found["public.client"], "E-Mail", "legacy")

    assert edited(change).splitlines() == lines_without(EDITED, '"E-Mail":', "legacy:")


def test_a_table_that_is_gone_takes_no_comment_with_it() -> None:
    text = edited(lambda found: found.__delitem__("public.visit"))
    start, end = EDITED.index("  public.visit:"), EDITED.index("  # The end")
    assert text == EDITED[:start] + EDITED[end:]


def test_a_table_may_lose_and_gain_all_its_columns() -> None:
    def change(found: dict[str, TableMap]) -> None:
        found["public.visit"] = without_columns(found["public.visit"], "client_id")
        found["public.unit"] = with_columns(found["public.unit"], id=ColumnMap(kind="key", type="integer"))

    found = parse_map(edited(change))
    assert found.tables["public.visit"] == TableMap(role="private", owner=("client_id",))
    assert found.tables["public.unit"] == replace(table(id="key"), role="lookup")


@pytest.mark.parametrize(("place", "name"), [("public.client", "E-Mail"), ("public.visit", "client_id")])
def test_a_changed_type_is_written_over_the_old_one_and_the_kind_stays(place: str, name: str) -> None:
    def change(found: dict[str, TableMap]) -> None:
        column = replace(found[place].columns[name], type="numeric(9,3)", kind="number")
        found[place] = with_columns(found[place], **{name: column})

    before, after = parse_map(EDITED).tables[place].columns[name], parse_map(edited(change)).tables[place].columns[name]
    assert after == replace(before, type="numeric(9,3)")
    assert edited(change).count("\n") == EDITED.count("\n")


def test_a_map_in_braces_is_updated_too() -> None:
    previous = '{"tables": {"public.t": {"role": "skip", "columns": {"a": {"kind": "key"}}}}}'
    text = write_map(SchemaMap(tables={"public.t": table(a="number", b="number")}), {}, previous)
    found = parse_map(text).tables["public.t"]
    assert found.role == "skip"
    assert {name: column.kind for name, column in found.columns.items()} == {"a": "key", "b": "number"}


@pytest.mark.parametrize("previous", ["", "# nothing yet\n", "{}", "locale: nl_NL\n", "tables: {}\n"])
def test_an_empty_map_is_filled(previous: str) -> None:
    found = parse_map(write_map(SchemaMap(tables={"public.t": table(a="key")}), {}, previous))
    assert found.tables == {"public.t": table(a="key")}
    assert found.locale == ("nl_NL" if "nl_NL" in previous else "en_US")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("tabels: {}", "tabels"),
        ("tables: {public.t: {role: public, ownr: [a]}}", "tables.public.t.ownr"),
        ("tables: {public.t: {role: public, columns: {a: {kind: key, size: 3}}}}", "tables.public.t.columns.a.size"),
    ],
)
def test_an_unknown_key_is_named_with_its_place(text: str, place: str) -> None:
    with pytest.raises(SchemaMapError, match=f"^schema map: {place}: unknown key: see docs/schema-map.md"):
        parse_map(text)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("version: 2", "version"),
        ("tables: {public.t: {role: boss}}", "tables.public.t.role"),
        ("tables: {public.t: {}}", "tables.public.t.role"),
        ("tables: {public.t: {role: public, columns: {a: {}}}}", "tables.public.t.columns.a.kind"),
        ("tables: {public.t: {role: public, columns: {a: {kind: key, bins: 1}}}}", "tables.public.t.columns.a.bins"),
        ("tables: {public.t: {role: public, columns: {a: {kind: key, start: x}}}}", "tables.public.t.columns.a.start"),
        ("tables: {public.t: null}", "tables.public.t"),
        ("tables: []", "tables"),
    ],
)
def test_a_value_that_maps_cannot_have_is_named_with_its_place(text: str, place: str) -> None:
    with pytest.raises(SchemaMapError, match=f"^schema map: {place}: ") as error:
        parse_map(text)
    assert "\n" not in str(error.value)


def test_a_mistyped_key_comes_before_what_is_missing_because_of_it() -> None:
    with pytest.raises(
        SchemaMapError, match=r"tables\.public\.t\.rol: unknown key: .*; did you mean role\? \(and 1 more\)$"
    ):
        parse_map("tables: {public.t: {rol: public}}")


def test_further_mistakes_are_counted() -> None:
    with pytest.raises(SchemaMapError, match=r"\(and 1 more\)$"):
        parse_map("tabels: {}\nlocal: x")


@pytest.mark.parametrize("text", ["[]", "- a", "false", "hello"])
def test_what_is_no_mapping_is_no_map(text: str) -> None:
    with pytest.raises(SchemaMapError, match=r"^schema map"):
        parse_map(text)


@pytest.mark.parametrize(("text", "line"), [("version: 1\ntables: {", 2), ("a: 'x\n", 2), ("version: 1\n\tb: 2\n", 2)])
def test_text_that_is_not_yaml_is_refused_with_the_line(text: str, line: int) -> None:
    with pytest.raises(
        SchemaMapError, match=rf"^map\.yaml is not YAML at line {line}: check its indentation and quotes$"
    ):
        parse_map(text, "map.yaml")


@pytest.mark.parametrize("text", ["version: 1\ntables: {", "tabels: {}"])
def test_an_earlier_map_that_is_none_is_not_updated(text: str) -> None:
    with pytest.raises(SchemaMapError):
        write_map(SchemaMap(tables={"public.t": table(a="key")}), {}, text)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "map.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SchemaMapError, match=r"map\.yaml cannot be read: check the path$"):
        read_map(path)


def test_a_file_is_read_whatever_ends_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_bytes(EDITED.replace("\n", "\r\n").encode())
    assert read_map(path) == parse_map(EDITED)


def _definition(name: str) -> dict[str, Any]:
    schema = json_schema()
    found: dict[str, Any] = schema["$defs"][name]
    return found


@pytest.mark.parametrize(
    ("name", "part"), [("TableMap", TableMap), ("ColumnMap", ColumnMap), ("ReferenceMap", ReferenceMap)]
)
def test_the_json_schema_has_every_key_and_no_other(name: str, part: type) -> None:
    found = _definition(name)
    assert set(found["properties"]) == {each.name for each in fields(part)}
    assert found["additionalProperties"] is False


def test_the_json_schema_demands_what_reading_demands() -> None:
    schema = json_schema()
    assert set(schema["properties"]) == {"version", "locale", "tables"}
    assert schema["additionalProperties"] is False
    assert _definition("TableMap")["required"] == ["role"]
    assert _definition("ColumnMap")["required"] == ["kind"]
    assert _definition("TableMap")["properties"]["role"]["enum"] == list(get_args(Role))


def test_the_json_schema_knows_every_key_of_a_draft(draft: Draft) -> None:
    data = YAML(typ="safe").load(write_map(draft.schema_map, draft.comments))
    assert set(data) <= set(json_schema()["properties"])
    for found in data["tables"].values():
        assert set(found) <= set(_definition("TableMap")["properties"])
        for column in found["columns"].values():
            assert set(column) <= set(_definition("ColumnMap")["properties"])


def test_columns_that_tables_share_stay_shared() -> None:
    previous = """\
tables:
  public.a:
    role: public
    columns: &both
      id: {kind: key}
  public.b:
    role: public
    columns:
      <<: *both
      x: {kind: number}
"""
    found = {"public.a": table(id="key"), "public.b": table(id="key", x="number", z="text")}
    text = write_map(SchemaMap(tables=found), {}, previous)
    assert text == previous + "      z: {type: integer, kind: text}  # new\n"
    assert set(parse_map(text).tables["public.b"].columns) == {"id", "x", "z"}
