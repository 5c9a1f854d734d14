"""Evaluating a replica of a database of a million rows: a shop with customers, orders, their lines and visits."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import psycopg

from benchmarks.workplace import Workplace
from replica.databases.url import DatabaseUrl, database_name

_SCHEMA = """
CREATE TABLE country (code char(2) PRIMARY KEY, name text NOT NULL, size int NOT NULL);
CREATE TABLE product (id int PRIMARY KEY, family text NOT NULL, price numeric(8,2) NOT NULL, weight real);
CREATE TABLE customer (
    id int PRIMARY KEY, email text NOT NULL UNIQUE, country char(2) NOT NULL REFERENCES country, born date,
    segment text NOT NULL, since timestamp NOT NULL, score double precision
);
CREATE TABLE purchase (
    id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customer, placed timestamp NOT NULL, channel text NOT NULL,
    status text NOT NULL, discount numeric(4,2)
);
CREATE TABLE line (
    purchase_id int REFERENCES purchase, number int, product_id int NOT NULL REFERENCES product,
    quantity int NOT NULL CHECK (quantity > 0), paid numeric(10,2) NOT NULL, PRIMARY KEY (purchase_id, number)
);
CREATE TABLE visit (
    id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customer, at timestamp NOT NULL, seconds int, device text
);
"""
# The replica is the same shop with other random numbers.
_ROWS = """
SELECT setseed({seed});
INSERT INTO country SELECT chr(65 + i / 6) || chr(65 + i % 6), 'country ' || i, 10 + i * i
    FROM generate_series(0, 29) i;
INSERT INTO product SELECT i, 'family ' || i % 12, round((5 + random() ^ 3 * 400)::numeric, 2), random() * 9
    FROM generate_series(1, 2000) i;
INSERT INTO customer
SELECT i, 'c' || i || '@shop.test', c.code, date '1950-01-01' + (random() * 20000)::int,
    (ARRAY['new', 'regular', 'gold'])[1 + (3 * random() ^ 2)::int % 3],
    timestamp '2015-01-01' + random() * interval '8 years', random() + random()
FROM generate_series(1, {customers}) i
CROSS JOIN LATERAL (SELECT i * 7919 % 30 * (i % 3) / 2 AS k) x
CROSS JOIN LATERAL (SELECT chr(65 + k / 6) || chr(65 + k % 6) AS code) c;
CREATE TEMPORARY TABLE wish AS SELECT id, (random() ^ 2 * 8)::int AS n, random() AS taste FROM customer;
INSERT INTO purchase
SELECT row_number() OVER (), w.id, c.since + s * random() * interval '200 days',
    (ARRAY['web', 'shop', 'phone'])[1 + (3 * w.taste * random())::int % 3],
    (ARRAY['paid', 'sent', 'returned'])[1 + (3 * random() ^ 3)::int % 3], round((random() * w.taste)::numeric, 2)
FROM wish w JOIN customer c USING (id), generate_series(1, w.n) s;
INSERT INTO line
SELECT p.id, s, 1 + (1999 * random() ^ 2)::int, 1 + (4 * random() ^ 2)::int,
    round((random() * 90 + 30 * p.discount)::numeric, 2)
FROM purchase p, generate_series(1, 1 + p.id % 4) s;
INSERT INTO visit
SELECT row_number() OVER (), w.id, c.since + s * random() * interval '90 days', (60 + 600 * w.taste * random())::int,
    (ARRAY['phone', 'desktop', NULL])[1 + (3 * random())::int % 3]
FROM wish w JOIN customer c USING (id), generate_series(1, 1 + (w.taste * 4)::int) s;
ANALYZE;
"""
_CUSTOMERS = 85_000

_CHILD = """
import json, resource, sys, time
import replica
start = at = time.perf_counter()
parts, name = {}, "start"
def report(progress):
    global at, name
    now = time.perf_counter()
    parts[name] = parts.get(name, 0.0) + now - at
    at, name = now, progress.step
replica.evaluate(sys.argv[1], sys.argv[2], report)
parts[name] = parts.get(name, 0.0) + time.perf_counter() - at
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
own, others = (one.ru_maxrss / 2**20 for one in used)
processor = sum(one.ru_utime + one.ru_stime for one in used)
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "processor": processor, "parts": parts, "own": own, "others": others}))
"""


def make_shop(url: DatabaseUrl, customers: int, seed: float) -> None:
    """Fills an empty database with a shop: about thirteen rows for each customer, in six tables."""
    with psycopg.connect(url.secret, autocommit=True) as connection:
        connection.execute(_SCHEMA.encode())
        connection.execute(_ROWS.format(seed=seed, customers=customers).encode())


def evaluation(place: Workplace) -> Iterator[tuple[str, list[float], str]]:
    """Measures a whole evaluation on two workers, by its parts, and the peak of resident memory."""
    place.execute(f"CREATE DATABASE {database_name(place.target)}")
    rows = 0
    for url, seed in ((place.url, 0.1), (place.target, 0.2)):
        make_shop(url, _CUSTOMERS, seed)
        with psycopg.connect(url.secret, autocommit=True) as connection:
            tables = ("country", "product", "customer", "purchase", "line", "visit")
            for table in tables:
                (count,) = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() or (0,)
                rows += count
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, place.url.secret, place.target.secret],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found = json.loads(done.stdout)
    yield f"{rows // 2:,} rows in 6 tables, and as many of a replica", [found["seconds"]], "s"
    yield "the same: processor time, without the servers'", [found["processor"]], "s"
    for part, seconds in found["parts"].items():
        if seconds >= 0.5:
            yield f"the same: {part}", [seconds], "s"
    yield "the same: peak of the process", [found["own"]], "GB"
    yield "the same: peak of the largest of its workers", [found["others"]], "GB"
