"""Columns of other rows that are mostly like one of the row's own: found, written in its codes, and followed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from conftest import Server
from postgres_tools import run, value

import replica
from replica.databases.url import DatabaseUrl
from replica.fitted import FittedReplica
from replica.kinds.base import Span
from replica.relations.likeness import Likeness, in_own_codes, likened_spans
from replica.settings import Settings

# What is billed lies mostly where the customer lives, and is mostly near what was offered for the same day; nine of ten
# shipments go by the carrier of the bill. The colour has nothing to do with any other.
BILLS = """
CREATE TABLE customer (id int PRIMARY KEY, home text NOT NULL, colour text NOT NULL);
CREATE TABLE bill (
    id serial PRIMARY KEY, customer_id int NOT NULL REFERENCES customer, billed_on date NOT NULL, place text NOT NULL,
    carrier text NOT NULL, amount numeric(8, 2) NOT NULL, colour text NOT NULL
);
CREATE TABLE article (id int PRIMARY KEY, price numeric(8, 2) NOT NULL, shelf text NOT NULL);
CREATE TABLE line (
    id serial PRIMARY KEY, bill_id int NOT NULL REFERENCES bill, article_id int NOT NULL REFERENCES article,
    price numeric(8, 2) NOT NULL
);
CREATE TABLE shipment (
    id serial PRIMARY KEY, customer_id int NOT NULL REFERENCES customer, sent_on date NOT NULL, carrier text NOT NULL,
    worth numeric(8, 2) NOT NULL
);
SELECT setseed(0.5);
INSERT INTO customer
SELECT n, 'town ' || n * 7 % 40, (ARRAY['red', 'blue', 'green'])[1 + n % 3] FROM generate_series(1, 1500) n;
INSERT INTO bill (customer_id, billed_on, place, carrier, amount, colour)
SELECT c.id, date '2024-01-01' + k * 30, CASE WHEN random() < 0.9 THEN c.home ELSE 'town ' || floor(40 * random()) END,
    'carrier ' || floor(12 * random()), round((exp(3 + 2 * random()))::numeric, 2),
    (ARRAY['red', 'blue', 'green'])[1 + floor(3 * random())::int]
FROM customer c, generate_series(1, 4) k;
INSERT INTO shipment (customer_id, sent_on, carrier, worth)
SELECT customer_id, billed_on, CASE WHEN random() < 0.9 THEN carrier ELSE 'carrier ' || floor(12 * random()) END,
    round((amount * (0.98 + 0.04 * random()))::numeric, 2)
FROM bill;
INSERT INTO article
SELECT n, round((exp(1 + 5 * random()))::numeric, 2), 'shelf ' || n % 9 FROM generate_series(1, 900) n;
INSERT INTO line (bill_id, article_id, price)
SELECT b.id, a.id, CASE WHEN random() < 0.8 THEN a.price ELSE round((a.price * 0.9)::numeric, 2) END
FROM bill b JOIN article a ON a.id IN (1 + b.id * 37 % 900, 1 + b.id * 61 % 900);
"""


@dataclass(frozen=True)
class Bills:
    """The bills, what was learned of them, and a replica."""

    url: DatabaseUrl
    fitted: FittedReplica
    target: DatabaseUrl


@pytest.fixture(scope="module")
def bills(server: Server) -> Iterator[Bills]:
    source, target = server.create(), server.fresh()
    run(source, BILLS)
    fitted = replica.learn(source, Settings(workers=1, effort=0.5))
    replica.write(fitted, target, Settings(workers=1))
    yield Bills(source, fitted, target)
    for url in (source, target):
        server.drop(url)


def test_what_is_mostly_alike_is_written_in_own_codes_and_nothing_else(bills: Bills) -> None:
    specs = {name: table.context for name, table in bills.fitted.tables.items()}
    seen = specs["public.bill"].ancestors[0]
    assert {(seen.spans[like.at].name, seen.spans[like.at].twin) for like in seen.likenesses} == {("home", "place")}
    (elder,) = specs["public.shipment"].elders
    assert {(elder.spans[like.at].name, elder.spans[like.at].twin) for like in elder.likenesses} == {
        ("carrier", "carrier"),
        ("amount", "worth"),
    }
    (article,) = bills.fitted.tables["public.line"].referenced.values()
    assert [(article.spans[like.at].name, article.spans[like.at].twin) for like in article.likenesses] == [
        ("price", "price")
    ]


@pytest.mark.parametrize(
    ("alike", "least"),
    [
        ("SELECT avg((place = home)::int) FROM bill JOIN customer c ON c.id = customer_id", 0.8),
        (
            "SELECT avg((s.carrier = b.carrier)::int) FROM shipment s JOIN bill b"
            " ON (b.customer_id, billed_on) = (s.customer_id, sent_on)",
            0.7,
        ),
        (
            "SELECT corr(ln(worth), ln(amount)) FROM shipment s JOIN bill b"
            " ON (b.customer_id, billed_on) = (s.customer_id, sent_on)",
            0.9,
        ),
        ("SELECT corr(ln(l.price), ln(a.price)) FROM line l JOIN article a ON a.id = article_id", 0.9),
    ],
    ids=["of the owner", "of an elder row", "a number", "of a row that is pointed to"],
)
def test_a_replica_follows_what_is_alike(bills: Bills, alike: str, least: float) -> None:
    assert least < float(value(bills.target, alike)) < float(value(bills.url, alike)) + 0.03


def test_a_saved_replica_knows_what_is_alike(bills: Bills, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("alike") / "x.replica"
    replica.save(bills.fitted, path)
    again = replica.open_artifact(path).tables["public.shipment"].context.elders[0]
    for one, other in zip(
        again.likenesses, bills.fitted.tables["public.shipment"].context.elders[0].likenesses, strict=True
    ):
        assert one.at == other.at
        assert np.array_equal(one.codes, other.codes)


def test_codes_of_other_rows_become_own_ones() -> None:
    own, spans = Span("place", 3, ordered=2), (Span("colour", 5), Span("home", 4))
    liked = likened_spans(spans, 1, own)
    assert liked == (Span("colour", 5), Span("home", 4, ordered=2, twin="place"))
    codes = np.array([[4, 0], [2, 1], [1, 3]], np.int32)
    found = in_own_codes(codes, [Likeness(1, np.array([2, 0, 1, 3], np.int32))])
    assert found.tolist() == [[4, 2], [2, 0], [1, 3]]
    assert codes[0].tolist() == [4, 0]
