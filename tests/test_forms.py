"""Types that are written as a form with values in it: taken apart and put together they are what they were."""

from __future__ import annotations

import struct

import numpy as np
import pyarrow as pa
import pytest

from replica.kinds import KINDS, kind_of_type
from replica.kinds.base import ColumnData, People, Rows
from replica.kinds.bits import BitKind
from replica.kinds.forms import FormKind, notation_of
from replica.kinds.opaque import neutral_value
from replica.schema.model import Column, SqlType

INTEGER = SqlType("integer", "int4", "integer")
DATE = SqlType("date", "date", "date")
MOMENT = SqlType("timestamp with time zone", "timestamptz", "timestamptz")


def other(base: str) -> SqlType:
    return SqlType(base, base, "other")


def spread(element: SqlType, base: str = "range") -> SqlType:
    return SqlType(base, base, "range", element=element)


def rows(n: int, seed: int = 0) -> Rows:
    numbers = np.arange(n)
    people = People(numbers, 0, np.zeros(n, np.int8), np.zeros(n, np.int16), ("en_US",))
    return Rows(numbers, n, np.random.default_rng(seed), people, numbers)


def point(x: float, y: float) -> str:
    """A point of PostGIS with the reference system 4326."""
    return struct.pack("<BIIdd", 1, 0x20000001, 4326, x, y).hex().upper()


def polygon(*corners: tuple[float, float]) -> str:
    ring = b"".join(struct.pack("<dd", *corner) for corner in (*corners, corners[0]))
    return (struct.pack("<BIII", 1, 3, 1, len(corners) + 1) + ring).hex().upper()


TEXTS = [
    (spread(INTEGER), "[1,5)"),
    (spread(INTEGER), "empty"),
    (spread(INTEGER), "(,7)"),
    (spread(INTEGER), "[3,)"),
    (spread(INTEGER), "(,)"),
    (spread(DATE), "[2024-01-01,2024-01-05)"),
    (spread(MOMENT), '["2024-01-01 10:00:00+00","2024-01-01 11:30:00+00")'),
    (spread(INTEGER, "int4multirange"), "{[1,3),[11,21)}"),
    (spread(INTEGER, "int4multirange"), "{(,3),[11,)}"),
    (spread(INTEGER, "int4multirange"), "{}"),
    (other("point"), "(1.5,-2.0)"),
    (other("box"), "(3.0,4.0),(1.0,1.0)"),
    (other("path"), "[(0.0,0.0),(1.0,5.0),(2.0,2.0)]"),
    (other("circle"), "<(1.0,1.0),0.5>"),
    (other("line"), "{1.0,-1.0,0.0}"),
    (other("cube"), "(1.0, 2.0),(3.0, 5.0)"),
    (other("vector"), "[1.0,0.5,-3.0]"),
    (other("sparsevec"), "{1:2.5,3:2.0}/5"),
    (other("hstore"), '"a"=>"1", "b \\"c"=>NULL, "d"=>"x \\\\ \\"y\\""'),
    (other("ltree"), "Top.Science.Astronomy"),
    (other("ltree"), ""),
    (SqlType("tsquery", "tsquery", "other"), "'fat' & !'o''rat'"),
    (SqlType("xml", "xml", "xml"), '<a no="1 &lt; 2"><b>x &amp; y</b><!-- kept --><c/></a>'),
    (other("geometry"), point(8.5, 47.25)),
    (other("geometry"), polygon((0, 0), (0, 2), (2, 2))),
]


@pytest.mark.parametrize(("kind", "text"), TEXTS)
def test_a_text_is_what_it_was_when_put_together_again(kind: SqlType, text: str) -> None:
    notation = notation_of(kind)
    assert notation is not None
    form, values = notation.split(text)
    assert notation.join(form, [value for _, value in values]) == text


def test_a_shape_keeps_its_size_wherever_it_lies() -> None:
    notation = notation_of(other("geometry"))
    assert notation is not None
    form, values = notation.split(polygon((5, 5), (5, 7), (7, 7)))
    assert dict(values) == {
        "place 0": 5,
        "place 1": 5,
        "step 1 0": 0,
        "step 1 1": 2,
        "step 2 0": 2,
        "step 2 1": 0,
    }
    moved = notation.join(form, [100, 200, *(value for _, value in values[2:])])
    assert moved == polygon((100, 200), (100, 202), (102, 202))


def test_the_radius_of_a_circle_and_the_factors_of_a_line_stay_valid() -> None:
    circle, line = notation_of(other("circle")), notation_of(other("line"))
    assert circle is not None
    assert line is not None
    assert circle.join("<(\x01,\x01),\x01>", [1, 2, -3]) == "<(1.0,2.0),3.0>"
    assert line.join("{\x01,\x01,\x01}", [0, 0, 4]) == "{1.0,0.0,4.0}"


def test_a_range_is_never_turned_around() -> None:
    notation = notation_of(spread(INTEGER))
    assert notation is not None
    assert notation.join("[\x01,\x01)", [5, -2]) == "[5,6)"


def test_no_value_of_a_person_is_kept_and_the_form_is() -> None:
    texts = [f"[{n * 3},{n * 3 + 5})" for n in range(200)]
    data = ColumnData(Column("ages", spread(INTEGER)), pa.array(texts), np.arange(200), min_holders=10)
    kind = FormKind.fit(data, np.random.default_rng(0))
    assert kind.whole is None
    made = kind.decode(kind.encode(data.values), rows(200)).to_pylist()
    starts = [int(text[1:].split(",")[0]) for text in made]
    assert all(text.startswith("[") and text.endswith(")") for text in made)
    assert all(int(text[1:-1].split(",")[1]) - start == 5 for text, start in zip(made, starts, strict=True))
    assert np.corrcoef(starts, range(200))[0, 1] > 0.95


def test_a_form_that_too_few_people_have_is_not_kept() -> None:
    texts = ["<a>1</a>"] * 100 + [f"<secret>{n}</secret>" for n in range(5)]
    data = ColumnData(Column("doc", SqlType("xml", "xml", "xml")), pa.array(texts), np.arange(105), min_holders=10)
    kind = FormKind.fit(data, np.random.default_rng(0))
    assert "secret" not in repr(kind)
    assert not any("secret" in text for text in kind.decode(kind.encode(data.values), rows(105)).to_pylist())


@pytest.mark.parametrize(
    ("name", "base", "neutral"),
    [
        ("geometry(Polygon,4326)", "geometry", "SRID=4326;Polygon EMPTY"),
        ("geography", "geography", "Point EMPTY"),
        ("vector(3)", "vector", "[0,0,0]"),
        ("sparsevec(5)", "sparsevec", "{}/5"),
    ],
)
def test_what_stands_where_nothing_may_be_kept_fits_the_type(name: str, base: str, neutral: str) -> None:
    assert neutral_value(SqlType(name, base, "other")) == neutral


def test_bits_keep_their_lengths_and_their_shares_of_ones() -> None:
    rng = np.random.default_rng(1)
    texts = ["".join("1" if x < 0.8 else "0" for x in rng.random(4 + n % 3)) for n in range(300)]
    kind = BitKind.fit(ColumnData(Column("b", SqlType("bit varying", "varbit", "bit")), pa.array(texts)), rng)
    made = kind.decode(kind.encode(pa.array(texts)), rows(300)).to_pylist()
    assert [len(text) for text in made] == [len(text) for text in texts]
    assert abs(np.mean([text[0] == "1" for text in made]) - 0.8) < 0.1


def test_unique_bits_differ() -> None:
    texts = [f"{n:08b}" for n in range(100)]
    column = Column("b", SqlType("bit(8)", "bit", "bit", length=8))
    kind = BitKind.fit(ColumnData(column, pa.array(texts), options={"unique": True}), np.random.default_rng(0))
    assert len(set(kind.decode(kind.encode(pa.array(texts * 2)), rows(200)).to_pylist())) == 200


def test_every_type_with_a_form_gets_the_kind() -> None:
    assert {kind_of_type(Column("x", kind)) for kind, _ in TEXTS} == {"form"}
    assert KINDS["form"] is FormKind
