"""Rows that break a constraint are counted, constraint by constraint, and rows that keep them are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from conftest import Server
from postgres_tools import FEATURES, run

from replica.databases import open_database
from replica.databases.url import DatabaseUrl

SCHEMA = """
CREATE DOMAIN short AS text CHECK (length(VALUE) < 5 AND VALUE <> 'VALUE') NOT NULL;
CREATE TABLE parent (
    id int PRIMARY KEY, a int, b int, c int, "odd ""name" short DEFAULT 'x', word text CHECK (word <> 'x'),
    CONSTRAINT pair UNIQUE (a, b), CONSTRAINT same UNIQUE NULLS NOT DISTINCT (c)
);
CREATE UNIQUE INDEX lower_word ON parent (lower(word), (a + 1)) WHERE b > 0;
CREATE TABLE child (
    id int, parent int REFERENCES parent, up int, a int, b int, fa int, fb int,
    CONSTRAINT child_key PRIMARY KEY (id), CONSTRAINT above FOREIGN KEY (up) REFERENCES child,
    CONSTRAINT simple FOREIGN KEY (a, b) REFERENCES parent (a, b),
    CONSTRAINT entire FOREIGN KEY (fa, fb) REFERENCES parent (a, b) MATCH FULL
);
CREATE TABLE heir () INHERITS (parent);
CREATE TABLE bounded (n int CONSTRAINT own CHECK (n > 0) NO INHERIT);
CREATE TABLE free () INHERITS (bounded);
CREATE TABLE parted (id int, n int CONSTRAINT positive CHECK (n > 0), PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE parted_a PARTITION OF parted (CONSTRAINT small CHECK (n < 100), CONSTRAINT alone UNIQUE (n))
    FOR VALUES FROM (0) TO (10);
CREATE TABLE parted_b PARTITION OF parted DEFAULT PARTITION BY RANGE (id);
CREATE TABLE parted_b_all PARTITION OF parted_b DEFAULT;
CREATE TABLE leaf (id int REFERENCES parted);

INSERT INTO parent VALUES (1, 1, 1, NULL, 'x', 'One'), (2, 1, NULL, 5, 'y', NULL), (3, 1, NULL, 6, 'z', 'one');
INSERT INTO child VALUES (1, 1, 1, 1, 1, 1, 1), (2, NULL, 1, 9, NULL, NULL, NULL);
INSERT INTO heir VALUES (1, 1, 1, NULL, 'x', 'One');
INSERT INTO free VALUES (-1);
INSERT INTO parted VALUES (1, 1), (20, 500), (21, 500);
INSERT INTO leaf VALUES (1), (20), (NULL);
"""

DEFECTS: dict[str, tuple[str, str, int]] = {
    "NOT NULL": (
        "ALTER TABLE parent DROP CONSTRAINT parent_pkey CASCADE; ALTER TABLE parent ALTER id DROP NOT NULL;"
        "INSERT INTO parent (id, c) VALUES (NULL, 8)",
        "public.parent.id NOT NULL",
        1,
    ),
    "domain": (
        "ALTER DOMAIN short DROP CONSTRAINT short_check;"
        "INSERT INTO parent VALUES (8, 8, 8, 8, 'VALUE', 'h'), (9, 9, 9, 9, 'far too long', 'i')",
        'public.parent."odd ""name" short_check',
        2,
    ),
    "domain NOT NULL": (
        "ALTER DOMAIN short DROP NOT NULL; INSERT INTO parent VALUES (8, 8, 8, 8, NULL, 'h')",
        'public.parent."odd ""name" NOT NULL',
        1,
    ),
    "primary key": (
        "ALTER TABLE parent DROP CONSTRAINT parent_pkey CASCADE;"
        "INSERT INTO parent (id, c) VALUES (1, 8), (1, 9), (2, 7)",
        "public.parent.parent_pkey",
        2,
    ),
    "unique pair": (
        "ALTER TABLE parent DROP CONSTRAINT pair CASCADE; INSERT INTO parent (id, a, b, c) VALUES (8, 1, 1, 8)",
        "public.parent.pair",
        1,
    ),
    "nulls not distinct": (
        "ALTER TABLE parent DROP CONSTRAINT same; INSERT INTO parent (id, c) VALUES (8, NULL)",
        "public.parent.same",
        1,
    ),
    "partial expression": (
        "DROP INDEX lower_word; INSERT INTO parent VALUES (8, 1, 2, 8, 'x', 'ONE')",
        "public.parent.lower_word",
        1,
    ),
    "check": (
        "ALTER TABLE parent DROP CONSTRAINT parent_word_check; INSERT INTO parent (id, c, word) VALUES (8, 8, 'x')",
        "public.parent.parent_word_check",
        1,
    ),
    "check of the table only": (
        "ALTER TABLE bounded DROP CONSTRAINT own; INSERT INTO bounded VALUES (-1), (NULL), (1)",
        "public.bounded.own",
        1,
    ),
    "reference": (
        "ALTER TABLE child DROP CONSTRAINT child_parent_fkey; INSERT INTO child (id, parent) VALUES (8, 99), (9, 99)",
        "public.child.child_parent_fkey",
        2,
    ),
    "reference to an heir": (
        "ALTER TABLE child DROP CONSTRAINT child_parent_fkey; INSERT INTO heir (id) VALUES (50);"
        "INSERT INTO child (id, parent) VALUES (8, 50)",
        "public.child.child_parent_fkey",
        1,
    ),
    "reference to itself": (
        "ALTER TABLE child DROP CONSTRAINT above; INSERT INTO child (id, up) VALUES (8, 99)",
        "public.child.above",
        1,
    ),
    "composite reference": (
        "ALTER TABLE child DROP CONSTRAINT simple; INSERT INTO child (id, a, b) VALUES (8, 1, 9), (9, NULL, 9)",
        "public.child.simple",
        1,
    ),
    "half of a full reference": (
        "ALTER TABLE child DROP CONSTRAINT entire; INSERT INTO child (id, fa, fb) VALUES (8, 1, NULL), (9, 1, 9)",
        "public.child.entire",
        2,
    ),
    "check of a partitioned table": (
        "ALTER TABLE parted DROP CONSTRAINT positive; INSERT INTO parted VALUES (2, -1), (30, -1)",
        "public.parted.positive",
        2,
    ),
    "check of a partition": (
        "ALTER TABLE parted_a DROP CONSTRAINT small; INSERT INTO parted VALUES (2, 100)",
        "public.parted_a.small",
        1,
    ),
    "key of a partition": (
        "ALTER TABLE parted_a DROP CONSTRAINT alone; INSERT INTO parted VALUES (2, 1)",
        "public.parted_a.alone",
        1,
    ),
    "key of a partitioned table": (
        "ALTER TABLE parted DROP CONSTRAINT parted_pkey CASCADE; INSERT INTO parted VALUES (20, 7)",
        "public.parted.parted_pkey",
        1,
    ),
    "reference to a partitioned table": (
        "ALTER TABLE leaf DROP CONSTRAINT leaf_id_fkey; INSERT INTO leaf VALUES (99)",
        "public.leaf.leaf_id_fkey",
        1,
    ),
}


@pytest.fixture(scope="module")
def valid(server: Server) -> Iterator[DatabaseUrl]:
    url = server.create()
    run(url, SCHEMA)
    yield url
    server.drop(url)


def count(schema_of: DatabaseUrl, rows_of: DatabaseUrl) -> dict[str, int]:
    return open_database(rows_of).count_broken(open_database(schema_of).introspect())


def test_valid_rows_break_nothing_and_every_rule_is_counted_once(valid: DatabaseUrl) -> None:
    counts = count(valid, valid)
    assert set(counts.values()) == {0}
    assert {name for _, name, _ in DEFECTS.values()} <= set(counts)
    assert [name for name in counts if name.startswith("public.parted_")] == [
        "public.parted_a.alone",
        "public.parted_a.small",
    ]


@pytest.mark.parametrize("case", DEFECTS)
def test_a_broken_rule_is_found_and_no_other(
    valid: DatabaseUrl, new_database: Callable[..., DatabaseUrl], case: str
) -> None:
    script, name, broken = DEFECTS[case]
    counts = count(valid, new_database(SCHEMA + script))
    assert {rule: found for rule, found in counts.items() if found} == {name: broken}


def test_a_rule_that_was_never_proved_counts_the_rows_that_break_it(new_database: Callable[..., DatabaseUrl]) -> None:
    url = new_database(
        "CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2);ALTER TABLE t ADD CONSTRAINT big CHECK (a > 1) NOT VALID"
    )
    assert count(url, url) == {"public.t.big": 1}


def test_every_feature_of_a_schema_can_be_counted(new_database: Callable[..., DatabaseUrl]) -> None:
    url = new_database(FEATURES)
    counts = count(url, url)
    assert set(counts.values()) == {0}
    assert '"Sales Team"."Order ""Line"""."price €" cheap' in counts
