"""Databases that are unusual but valid replicate with every constraint kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from conftest import Server
from postgres_tools import counts, value

import replica
from replica.databases.url import DatabaseUrl, database_name
from replica.errors import IntegrityError, PlanError, UnsatisfiableError
from replica.settings import Settings

SETTINGS = Settings(generator="marginal", workers=1)
NewDatabase = Callable[..., DatabaseUrl]

LONGEST = "x" * 63

EXCLUSIONS = {
    "a range column": """
        CREATE TABLE booking (id int PRIMARY KEY, during tsrange, EXCLUDE USING gist (during WITH &&));
        INSERT INTO booking SELECT n, tsrange(timestamp '2024-01-01' + n * interval '1 day',
            timestamp '2024-01-01' + n * interval '1 day' + interval '20 hours') FROM generate_series(1, 80) n;
    """,
    "a range of days that includes its end": """
        CREATE TABLE booking (id int PRIMARY KEY, room int4range NOT NULL, first date NOT NULL, last date,
            cancelled boolean NOT NULL, CHECK (first <= last),
            EXCLUDE USING gist (room WITH =, daterange(first, last, '[]') WITH &&) WHERE (NOT cancelled));
        INSERT INTO booking SELECT n, int4range(n % 4, 10), date '2024-01-01' + n, CASE WHEN n < 77 THEN
            date '2024-01-03' + n END, n % 5 = 0 FROM generate_series(1, 80) n;
    """,
    "numbers": """
        CREATE TABLE booking (id int PRIMARY KEY, "from" int NOT NULL, "to" int NOT NULL, CHECK ("from" < "to"),
            EXCLUDE USING gist (int4range("from", "to") WITH &&));
        INSERT INTO booking SELECT n, n * 7, n * 7 + 1 + n % 7 FROM generate_series(1, 80) n;
    """,
}

CASES = {
    "an empty table": """
        CREATE TABLE parent (id int PRIMARY KEY, name text);
        CREATE TABLE child (id int PRIMARY KEY, parent int NOT NULL REFERENCES parent, day date);
        INSERT INTO parent SELECT n, 'name ' || n FROM generate_series(1, 20) n;
    """,
    "all tables empty": """
        CREATE TABLE parent (id int PRIMARY KEY, name text UNIQUE, price numeric(8, 2), at timestamptz);
        CREATE TABLE child (id int PRIMARY KEY, parent int NOT NULL REFERENCES parent, day date NOT NULL);
        CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree);
    """,
    "one row": "CREATE TABLE t (id int PRIMARY KEY, name text, n numeric); INSERT INTO t VALUES (7, 'only', 1.5);",
    "one row each under a reference": """
        CREATE TABLE parent (id int PRIMARY KEY, name text);
        CREATE TABLE child (parent int PRIMARY KEY REFERENCES parent, day date NOT NULL);
        INSERT INTO parent VALUES (1, 'a');
        INSERT INTO child VALUES (1, '2020-02-29');
    """,
    "a column of nulls": """
        CREATE TABLE t (id int PRIMARY KEY, a int, b text, c date, d jsonb, e text[], f uuid, g bytea, h inet,
            i bool);
        INSERT INTO t (id) SELECT n FROM generate_series(1, 30) n;
    """,
    "constant columns": """
        CREATE TABLE t (id int PRIMARY KEY, a int, b text, c date, d jsonb, e text[], g bytea, h inet, i bool,
            j time);
        INSERT INTO t SELECT n, 5, 'same', '2020-01-01', '{"a": 1}', '{x,y}', '\\x01', '10.0.0.1', true, '12:00'
          FROM generate_series(1, 30) n;
    """,
    "no keys": """
        CREATE TABLE log (at timestamptz, line text, level int);
        INSERT INTO log SELECT now() - n * interval '1 hour', 'line ' || n % 3, n % 2 FROM generate_series(1, 40) n;
    """,
    "rows that are all alike": """
        CREATE TABLE t (a int, b text);
        INSERT INTO t SELECT 1, 'x' FROM generate_series(1, 40);
    """,
    "a table without columns": """
        CREATE TABLE nothing ();
        INSERT INTO nothing SELECT FROM generate_series(1, 9);
    """,
    "names that need quotes": f"""
        CREATE SCHEMA "Ünï";
        CREATE TABLE "Ünï"."select" ("from" int PRIMARY KEY, "Group By" text, "a""b" date, "ключ" int,
            "{LONGEST}" int);
        CREATE TABLE "Ünï"."My ""Table"" 2" ("id" int PRIMARY KEY, "Order" int REFERENCES "Ünï"."select" ("from"));
        CREATE TABLE "{LONGEST}" ("{LONGEST}" int PRIMARY KEY, "%s" text UNIQUE, "a.b" numeric, "😀" int, "{{x}}" int);
        INSERT INTO "Ünï"."select" SELECT n, 'g' || n % 3, date '2020-01-01' + n, n % 4, n
            FROM generate_series(1, 30) n;
        INSERT INTO "Ünï"."My ""Table"" 2" SELECT n, n FROM generate_series(1, 30) n;
        INSERT INTO "{LONGEST}" SELECT n, 'v' || n, n / 3.0, n % 3, n FROM generate_series(1, 30) n;
        ALTER TABLE "Ünï"."select" ADD CONSTRAINT "Check It" CHECK ("Group By" IN ('g0', 'g1', 'g2') AND "ключ" >= 0);
    """,
    "a reference to itself": """
        CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree, name text);
        INSERT INTO tree SELECT n, CASE WHEN n > 1 THEN n / 2 END, 'node ' || n FROM generate_series(1, 60) n;
    """,
    "a reference to itself that is never null": """
        CREATE TABLE t (id int PRIMARY KEY, root int NOT NULL REFERENCES t);
        INSERT INTO t SELECT n, greatest(1, n / 3) FROM generate_series(1, 60) n;
    """,
    "a circle of nullable references": """
        CREATE TABLE a (id int PRIMARY KEY, b int);
        CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a);
        ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b;
        INSERT INTO a SELECT n, NULL FROM generate_series(1, 40) n;
        INSERT INTO b SELECT n, n FROM generate_series(1, 40) n;
        UPDATE a SET b = id WHERE id % 2 = 0;
    """,
    "a circle of deferred references that are never null": """
        CREATE TABLE a (id int PRIMARY KEY, b int NOT NULL);
        CREATE TABLE b (id int PRIMARY KEY, a int NOT NULL REFERENCES a DEFERRABLE INITIALLY DEFERRED);
        ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b DEFERRABLE INITIALLY DEFERRED;
        INSERT INTO a SELECT n, 41 - n FROM generate_series(1, 40) n;
        INSERT INTO b SELECT n, n FROM generate_series(1, 40) n;
    """,
    "a circle of three tables": """
        CREATE TABLE a (id int PRIMARY KEY, c int);
        CREATE TABLE b (id int PRIMARY KEY, a int NOT NULL REFERENCES a);
        CREATE TABLE c (id int PRIMARY KEY, b int NOT NULL REFERENCES b);
        ALTER TABLE a ADD FOREIGN KEY (c) REFERENCES c;
        INSERT INTO a SELECT n, NULL FROM generate_series(1, 30) n;
        INSERT INTO b SELECT n, n FROM generate_series(1, 30) n;
        INSERT INTO c SELECT n, 31 - n FROM generate_series(1, 30) n;
        UPDATE a SET c = id WHERE id % 3 = 0;
    """,
    "composite keys through three levels": """
        CREATE TABLE plant (site text, plant int, PRIMARY KEY (site, plant));
        CREATE TABLE line (site text, plant int, line int, speed float8, PRIMARY KEY (site, plant, line),
            FOREIGN KEY (site, plant) REFERENCES plant);
        CREATE TABLE shift (site text, plant int, line int, day date, name text,
            PRIMARY KEY (site, plant, line, day), FOREIGN KEY (site, plant, line) REFERENCES line);
        INSERT INTO plant SELECT 's' || s, p FROM generate_series(1, 4) s, generate_series(1, 3) p;
        INSERT INTO line SELECT site, plant, l, random() FROM plant, generate_series(1, 3) l;
        INSERT INTO shift SELECT site, plant, line, date '2024-01-01' + d, 'n' || d
            FROM line, generate_series(1, 4) d;
    """,
    "generated columns": """
        CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int NOT NULL, b int,
            total int GENERATED ALWAYS AS (a + coalesce(b, 0)) STORED, CHECK (a >= 0));
        INSERT INTO t (a, b) SELECT n, nullif(n % 3, 0) FROM generate_series(1, 50) n;
    """,
    "identity and serial keys": """
        CREATE TABLE a (id bigint GENERATED ALWAYS AS IDENTITY (START WITH 1000 INCREMENT BY 5) PRIMARY KEY, v int);
        CREATE TABLE b (id smallserial PRIMARY KEY, a bigint NOT NULL REFERENCES a);
        CREATE TABLE c (id int GENERATED BY DEFAULT AS IDENTITY (START WITH -1 INCREMENT BY -1) PRIMARY KEY, v int);
        INSERT INTO a (v) SELECT n FROM generate_series(1, 30) n;
        INSERT INTO b (a) SELECT id FROM a;
        INSERT INTO c (v) SELECT n FROM generate_series(1, 30) n;
    """,
    "arrays of enums": """
        CREATE TYPE colour AS ENUM ('red', 'light green', 'b"lue', 'o''range');
        CREATE TABLE t (id int PRIMARY KEY, one colour, many colour[] NOT NULL, matrix int[][],
            empty text[] NOT NULL);
        INSERT INTO t SELECT n, (enum_range(NULL::colour))[1 + n % 4], (enum_range(NULL::colour))[1 : n % 5],
            ARRAY[[n, 1], [2, 3]], '{}' FROM generate_series(1, 50) n;
    """,
    "domains with checks": """
        CREATE DOMAIN positive AS int CHECK (VALUE > 0);
        CREATE DOMAIN small AS positive CHECK (VALUE < 100) NOT NULL;
        CREATE DOMAIN zip AS varchar(5) CHECK (VALUE ~ '^[0-9]{5}$');
        CREATE TABLE t (id int PRIMARY KEY, a small, b positive, c zip, d zip[]);
        INSERT INTO t SELECT n, n, nullif(n, 7), lpad((n * 13)::text, 5, '0'), ARRAY['12345'::zip]
          FROM generate_series(1, 60) n;
    """,
    "partial and expression uniques": """
        CREATE TABLE t (id int PRIMARY KEY, email text NOT NULL, active bool NOT NULL, slot int, deleted timestamptz);
        CREATE UNIQUE INDEX ON t (lower(email));
        CREATE UNIQUE INDEX ON t (slot) WHERE active;
        CREATE UNIQUE INDEX ON t (slot, coalesce(deleted, '-infinity')) WHERE deleted IS NULL;
        INSERT INTO t SELECT n, 'User' || n || '@Example.com', n % 2 = 0, n,
            CASE WHEN n % 3 = 0 THEN timestamptz '2024-01-01' + n * interval '1 day' END
                FROM generate_series(1, 60) n;
    """,
    "uniques that count nulls": """
        CREATE TABLE t (id int PRIMARY KEY, a int, b int, UNIQUE NULLS NOT DISTINCT (a, b));
        INSERT INTO t SELECT n, nullif(n / 8, 3), nullif(n % 8, 2) FROM generate_series(0, 63) n;
    """,
    "deferrable uniques": """
        CREATE TABLE t (id int PRIMARY KEY, place int UNIQUE DEFERRABLE INITIALLY DEFERRED, grp text, n int,
            UNIQUE (grp, n) DEFERRABLE);
        INSERT INTO t SELECT n, 100 - n, 'g' || n % 3, n / 3 FROM generate_series(1, 60) n;
    """,
    "checks between columns": """
        CREATE TABLE t (id int PRIMARY KEY, low int, high int, kind text, reason text, start date, stop date,
            share float8,
            CHECK (low < high), CHECK (start <= stop), CHECK (kind <> 'other' OR reason IS NOT NULL),
            CHECK (num_nonnulls(low, reason) >= 1), CHECK (share BETWEEN 0 AND 1));
        INSERT INTO t SELECT n, n, n + 1 + n % 5, CASE WHEN n % 4 = 0 THEN 'other' ELSE 'usual' END,
            CASE WHEN n % 4 = 0 THEN 'because ' || n END, date '2020-01-01' + n, date '2020-01-01' + n + n % 10,
                n / 80.0
          FROM generate_series(1, 80) n;
    """,
    "checks and uniques of the same columns": """
        CREATE TABLE slot (id int PRIMARY KEY, slot int CHECK (slot BETWEEN 1 AND 60), grp text NOT NULL,
            UNIQUE (slot, grp));
        CREATE TABLE span (id int PRIMARY KEY, low int, high int, CHECK (low < high), UNIQUE (low, high));
        INSERT INTO slot SELECT n, 1 + n % 60, 'g' || n / 60 FROM generate_series(0, 100) n;
        INSERT INTO span SELECT n, n % 10, n % 10 + 1 + n / 10 FROM generate_series(0, 59) n;
    """,
    "two hundred columns": "",
    "texts of all sorts": """
        CREATE TABLE t (id int PRIMARY KEY, a text NOT NULL, b varchar(10), c char(4), d text);
        INSERT INTO t SELECT n, (ARRAY[E'tab\\there', E'new\\nline', E'back\\\\slash', '😀 emoji', '', ' ', '\\N',
            '\\.',
            'NULL', E'\\r', 'a,b;"c"', E'\\'quote\\'', 'é', E'e\\u0301', '{}'])[1 + n % 15], repeat('é', n % 11),
            substr('abcd', 1, n % 5), repeat(chr(9731) || E'\\n', n) FROM generate_series(1, 90) n;
    """,
    "huge texts": """
        CREATE TABLE t (id int PRIMARY KEY, body text, doc jsonb);
        INSERT INTO t SELECT n, repeat('word' || n || ' ', 20000), jsonb_build_object('body', repeat('x', 100000))
          FROM generate_series(1, 12) n;
    """,
    "numbers near their limits": """
        CREATE TABLE t (id bigint PRIMARY KEY, big bigint, small smallint, n numeric(38, 10), free numeric, r real,
            o oid, m money);
        INSERT INTO t SELECT 9223372036854775807 - n, CASE WHEN n % 2 = 0 THEN 9223372036854775807 - n
            ELSE -9223372036854775808 + n END, CASE WHEN n % 2 = 0 THEN 32767 ELSE -32768 END,
            (9999999999999999999999999999.0123456789 - n) * (1 - 2 * (n % 2)), 1e40 * n, 3e38, 4294967295,
            '92233720368547758.07' FROM generate_series(0, 49) n;
    """,
    "floats near their limits on both sides": """
        CREATE TABLE t (id int PRIMARY KEY, d float8);
        INSERT INTO t SELECT n, 1e308 * (1 - 2 * (n % 2)) FROM generate_series(1, 50) n;
    """,
    "infinite and special numbers": """
        CREATE TABLE t (id int PRIMARY KEY, d float8, r real, n numeric);
        INSERT INTO t SELECT n, (ARRAY['NaN', 'Infinity', '-Infinity', '1.5', '-0'])[1 + n % 5]::float8,
            (ARRAY['NaN', 'Infinity', '-Infinity', '1.5'])[1 + n % 4]::real,
            (ARRAY['NaN', 'Infinity', '-Infinity', '1.5'])[1 + n % 4]::numeric FROM generate_series(1, 60) n;
    """,
    "infinite moments and years before Christ": """
        CREATE TABLE t (id int PRIMARY KEY, day date, at timestamp, atz timestamptz, t time, tz timetz, i interval);
        INSERT INTO t SELECT n,
            CASE n % 4 WHEN 0 THEN 'infinity' WHEN 1 THEN '-infinity'
                WHEN 2 THEN '0044-03-15 BC' ELSE '99999-12-31' END::date,
            CASE n % 4 WHEN 0 THEN 'infinity' WHEN 1 THEN '-infinity'
                WHEN 2 THEN '4000-01-01 BC' ELSE '9999-12-31' END::timestamp,
            CASE n % 4 WHEN 0 THEN 'infinity' WHEN 1 THEN '-infinity'
                WHEN 2 THEN '0044-03-15 BC' ELSE '2024-01-01' END::timestamptz,
            '24:00', '23:59:59.999999+15', (n || ' months ' || -n || ' days')::interval FROM generate_series(1, 80) n;
    """,
    "an order with infinite moments": """
        CREATE TABLE o (id int PRIMARY KEY, name text);
        CREATE TABLE p (o int NOT NULL REFERENCES o, valid_from date NOT NULL, valid_to date, PRIMARY KEY (o,
            valid_from));
        INSERT INTO o SELECT n, 'n' || n FROM generate_series(1, 20) n;
        INSERT INTO p SELECT o.id, date '2020-01-01' + k * 100,
            CASE WHEN k = 3 THEN 'infinity' ELSE date '2020-01-01' + k * 100 + 99 END
          FROM o, generate_series(0, 3) k;
    """,
    "references that are null as a whole": """
        CREATE TABLE p (a int, b text, PRIMARY KEY (a, b));
        CREATE TABLE c (id int PRIMARY KEY, a int, b text, FOREIGN KEY (a, b) REFERENCES p MATCH FULL);
        INSERT INTO p SELECT n, 'b' || n % 3 FROM generate_series(1, 20) n;
        INSERT INTO c SELECT n, CASE WHEN n % 3 > 0 THEN 1 + n % 20 END,
            CASE WHEN n % 3 > 0 THEN 'b' || (1 + n % 20) % 3 END
          FROM generate_series(1, 60) n;
    """,
    "references that are null in part": """
        CREATE TABLE p (a int, b text, PRIMARY KEY (a, b));
        CREATE TABLE c (id int PRIMARY KEY, a int NOT NULL, b text, FOREIGN KEY (a, b) REFERENCES p);
        INSERT INTO p SELECT n, 'b' || n % 3 FROM generate_series(1, 20) n;
        INSERT INTO c SELECT n, 1 + n % 20, CASE WHEN n % 3 > 0 THEN 'b' || (1 + n % 20) % 3 END
          FROM generate_series(1, 60) n;
    """,
    "one to one by a shared primary key": """
        CREATE TABLE person (id int PRIMARY KEY, name text);
        CREATE TABLE passport (id int PRIMARY KEY REFERENCES person, number text NOT NULL UNIQUE);
        INSERT INTO person SELECT n, 'name ' || n FROM generate_series(1, 50) n;
        INSERT INTO passport SELECT n, 'P' || 1000000 + n FROM generate_series(1, 50) n;
    """,
    "a bridge with all pairs": """
        CREATE TABLE a (id int PRIMARY KEY, v int);
        CREATE TABLE b (id int PRIMARY KEY, v int);
        CREATE TABLE ab (a int REFERENCES a, b int REFERENCES b, PRIMARY KEY (a, b));
        INSERT INTO a SELECT n, n % 3 FROM generate_series(1, 12) n;
        INSERT INTO b SELECT n, n % 4 FROM generate_series(1, 9) n;
        INSERT INTO ab SELECT a.id, b.id FROM a, b;
    """,
    "a bridge of a table with itself": """
        CREATE TABLE a (id int PRIMARY KEY, v int);
        CREATE TABLE knows (a int REFERENCES a, b int REFERENCES a, PRIMARY KEY (a, b), CHECK (a <> b));
        INSERT INTO a SELECT n, n % 3 FROM generate_series(1, 20) n;
        INSERT INTO knows SELECT x.id, y.id FROM a x JOIN a y ON x.id <> y.id WHERE (x.id + y.id) % 3 > 0;
    """,
    "a partitioned table": """
        CREATE TABLE m (id int, day date NOT NULL, v float8, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
        CREATE TABLE m_2023 PARTITION OF m FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
        CREATE TABLE m_2024 PARTITION OF m FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
        CREATE TABLE part (id int, day date, note text, FOREIGN KEY (id, day) REFERENCES m);
        INSERT INTO m SELECT n, date '2023-01-01' + n * 7, random() FROM generate_series(1, 90) n;
        INSERT INTO part SELECT id, day, 'note ' || id % 5 FROM m WHERE id % 2 = 0;
    """,
    "list partitions without a default": """
        CREATE TABLE m (id int PRIMARY KEY, v int) PARTITION BY HASH (id);
        CREATE TABLE m_0 PARTITION OF m FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE m_1 PARTITION OF m FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        CREATE TABLE l (region text NOT NULL, v int) PARTITION BY LIST (region);
        CREATE TABLE l_a PARTITION OF l FOR VALUES IN ('north', 'south');
        CREATE TABLE l_b PARTITION OF l FOR VALUES IN ('east');
        INSERT INTO m SELECT n, n % 5 FROM generate_series(1, 50) n;
        INSERT INTO l SELECT (ARRAY['north', 'south', 'east'])[1 + n % 3], n FROM generate_series(1, 60) n;
    """,
    "inheritance": """
        CREATE TABLE city (id int PRIMARY KEY, name text, people int CHECK (people >= 0));
        CREATE TABLE capital (state text NOT NULL, PRIMARY KEY (id)) INHERITS (city);
        INSERT INTO city SELECT n, 'city ' || n, n * 1000 FROM generate_series(1, 40) n;
        INSERT INTO capital SELECT n, 'capital ' || n, n * 2000, 'st' || n FROM generate_series(41, 50) n;
    """,
    "views": """
        CREATE TABLE t (id int PRIMARY KEY, v int);
        CREATE VIEW even AS SELECT * FROM t WHERE v % 2 = 0;
        CREATE MATERIALIZED VIEW total AS SELECT sum(v) AS total, count(*) AS n FROM even;
        CREATE MATERIALIZED VIEW twice AS SELECT total * 2 AS total FROM total;
        INSERT INTO t SELECT n, n FROM generate_series(1, 30) n;
        REFRESH MATERIALIZED VIEW total;
        REFRESH MATERIALIZED VIEW twice;
    """,
    "triggers that would raise": """
        CREATE TABLE t (id int PRIMARY KEY, v int);
        CREATE TABLE u (id int PRIMARY KEY, t int REFERENCES t);
        INSERT INTO t SELECT n, n FROM generate_series(1, 30) n;
        INSERT INTO u SELECT n, n FROM generate_series(1, 30) n;
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''refused''; END';
        CREATE TRIGGER refuse BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION refuse();
        CREATE TRIGGER refuse_all AFTER INSERT OR UPDATE OR DELETE
            OR TRUNCATE ON u FOR EACH STATEMENT EXECUTE FUNCTION refuse();
        ALTER TABLE t ENABLE ALWAYS TRIGGER refuse;
    """,
    "a row of one megabyte": """
        CREATE TABLE t (id int PRIMARY KEY, b bytea NOT NULL);
        INSERT INTO t SELECT n, decode(repeat('ab', 100), 'hex') FROM generate_series(1, 20) n;
        INSERT INTO t VALUES (21, decode(repeat('ff', 1048576), 'hex'));
    """,
    "tenants in every key": """
        CREATE TABLE tenant (id int PRIMARY KEY, name text);
        CREATE TABLE product (tenant int REFERENCES tenant, id int, name text, PRIMARY KEY (tenant, id));
        CREATE TABLE purchase (tenant int REFERENCES tenant, id int, day date, PRIMARY KEY (tenant, id));
        CREATE TABLE item (tenant int NOT NULL, purchase int, product int NOT NULL, n int,
            PRIMARY KEY (tenant, purchase, product),
            FOREIGN KEY (tenant, purchase) REFERENCES purchase, FOREIGN KEY (tenant, product) REFERENCES product);
        CREATE TABLE employee (tenant int REFERENCES tenant, id int, boss int, PRIMARY KEY (tenant, id),
            FOREIGN KEY (tenant, boss) REFERENCES employee);
        INSERT INTO tenant SELECT n, 't' || n FROM generate_series(1, 5) n;
        INSERT INTO product SELECT t.id, p, 'p' || p FROM tenant t, generate_series(1, 6) p;
        INSERT INTO purchase SELECT t.id, o, date '2020-01-01' + o FROM tenant t, generate_series(1, 20) o;
        INSERT INTO item SELECT tenant, id, p, p FROM purchase, generate_series(1, 4) p;
        INSERT INTO employee SELECT t.id, e, nullif(e / 3, 0) FROM tenant t, generate_series(1, 20) e;
    """,
    "a list and a ring": """
        CREATE TABLE list (id int PRIMARY KEY, next int UNIQUE REFERENCES list, v int);
        CREATE TABLE ring (id int PRIMARY KEY, next int NOT NULL UNIQUE REFERENCES ring DEFERRABLE INITIALLY DEFERRED);
        INSERT INTO list SELECT n, CASE WHEN n < 50 THEN n + 1 END, n % 4 FROM generate_series(1, 50) n;
        INSERT INTO ring SELECT n, 1 + n % 50 FROM generate_series(1, 50) n;
    """,
    "references to keys that are no primary keys, of other types": """
        CREATE TABLE u (id bigint PRIMARY KEY, email varchar(80) NOT NULL UNIQUE, code numeric UNIQUE);
        CREATE TABLE v (id int PRIMARY KEY, email text REFERENCES u (email), u int REFERENCES u,
            code int REFERENCES u (code));
        INSERT INTO u SELECT n, 'user' || n || '@example.org', n * 10 FROM generate_series(1, 40) n;
        INSERT INTO v SELECT n, 'user' || 1 + n % 40 || '@example.org', 1 + n % 40, (1 + n % 40) * 10
          FROM generate_series(1, 90) n;
    """,
    "a key that is optional": """
        CREATE TABLE a (id int PRIMARY KEY, name text);
        CREATE TABLE b (id int PRIMARY KEY, a int UNIQUE REFERENCES a, v int);
        INSERT INTO a SELECT n, 'n' || n FROM generate_series(1, 50) n;
        INSERT INTO b SELECT n, CASE WHEN n <= 40 THEN n END, n % 3 FROM generate_series(1, 100) n;
    """,
    "facts of every day and shop": """
        CREATE TABLE day (day date PRIMARY KEY, week int NOT NULL);
        CREATE TABLE fact (day date REFERENCES day, shop int, amount numeric(10, 2), PRIMARY KEY (day, shop));
        INSERT INTO day SELECT date '2023-01-01' + n, n / 7 FROM generate_series(0, 99) n;
        INSERT INTO fact SELECT day, s, s + random() * 100 FROM day, generate_series(1, 3) s;
    """,
    "types without statistics": """
        CREATE TYPE pair AS (a int, b text);
        CREATE TABLE t (id int PRIMARY KEY, p point, b box, v tsvector, i interval, r int4range, m macaddr,
            bits bit(8), vb varbit, c pair, j json, mr int4multirange, u uuid UNIQUE, cidr cidr, path path,
                lsn pg_lsn);
        INSERT INTO t SELECT n, point(n, n), box(point(0, 0), point(n, n)), to_tsvector('a b'),
            n * interval '1 h',
            int4range(n, n + 5), '08:00:2b:01:02:03', n::bit(8), B'101', (n, 'x')::pair, '[1, 2]', '{[1,3)}',
            gen_random_uuid(), '10.0.0.0/8', '((0,0),(1,1))', '0/1' FROM generate_series(1, 30) n;
    """,
}
COLUMNS = ", ".join(f"c{i} {('int', 'text', 'date', 'numeric')[i % 4]}" for i in range(199))
VALUES = ", ".join(("n % 7", "'v' || n % 3", "date '2024-01-01' + n", "n / 7.0")[i % 4] for i in range(199))
CASES["two hundred columns"] = f"""
    CREATE TABLE wide (id int PRIMARY KEY, {COLUMNS});
    INSERT INTO wide SELECT n, {VALUES} FROM generate_series(1, 40) n;
"""


# What must be true of the replica, beside its constraints and numbers of rows.
HOLDS = {
    "a column of nulls": "SELECT max(num_nonnulls(a, b, c, d, e, f, g, h, i)) = 0 FROM t",
    "constant columns": "SELECT count(DISTINCT (a, b, c, d, e, i, j)) = 1 FROM t",
    "a table without columns": "SELECT count(*) = 9 FROM nothing",
    "a bridge with all pairs": "SELECT count(DISTINCT (a, b)) = 12 * 9 FROM ab",
    "references that are null in part": "SELECT count(*) > 5 FROM c WHERE b IS NULL AND a IN (SELECT a FROM p)",
    "a partitioned table": "SELECT count(*) > 0 AND max(day) < '2024-01-01' FROM m_2023",
    "views": "SELECT sum(v) * 2 = (SELECT total FROM twice) FROM t WHERE v % 2 = 0",
    "triggers that would raise": "SELECT string_agg(tgenabled::text, '' ORDER BY tgname) = 'AO' FROM pg_trigger"
    " WHERE NOT tgisinternal",
    "identity and serial keys": "SELECT nextval('a_id_seq') > max(a.id) AND nextval('b_id_seq') > max(b.id)"
    " AND nextval('c_id_seq') < min(c.id) FROM a, b, c",
    "infinite moments and years before Christ": "SELECT count(DISTINCT CASE WHEN isfinite(day)"
    " THEN (day < '0001-01-01')::text ELSE day::text END) = 4 FROM t",
}


@pytest.mark.parametrize("case", CASES)
def test_replicates_with_every_constraint_kept(case: str, new_database: NewDatabase, target: DatabaseUrl) -> None:
    source = new_database(CASES[case])
    replica.replicate(source, target, SETTINGS)
    report = replica.verify(source, target)
    assert report.valid, (report.missing, report.broken)
    assert counts(target) == counts(source)
    assert value(target, HOLDS.get(case, "SELECT true"))


def test_a_full_bridge_cannot_take_more(new_database: NewDatabase, target: DatabaseUrl) -> None:
    asked = replace(SETTINGS, rows={"public.ab": 12 * 9 + 1})
    with pytest.raises(PlanError, match="each may have"):
        replica.replicate(new_database(CASES["a bridge with all pairs"]), target, asked)


@pytest.mark.parametrize("name", EXCLUSIONS)
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_periods_that_may_not_overlap_are_packed(
    new_database: NewDatabase, server: Server, name: str, scale: float
) -> None:
    source, target = new_database(EXCLUSIONS[name]), server.fresh()
    try:
        replica.replicate(source, target, replace(SETTINGS, scale=scale))
        assert value(target, "SELECT count(*) FROM booking") == 80 * scale
        assert value(target, "SELECT count(*) FROM pg_constraint WHERE contype = 'x' AND convalidated") == 1
    finally:
        server.drop(target)


def test_an_exclusion_of_a_form_that_is_not_known_is_named_and_leaves_the_target_alone(
    new_database: NewDatabase, target: DatabaseUrl, server: Server
) -> None:
    script = """
        CREATE TABLE spot (id int PRIMARY KEY, area box NOT NULL, EXCLUDE USING gist (area WITH &&));
        INSERT INTO spot SELECT n, box(point(n, n), point(n + 0.5, n + 0.5)) FROM generate_series(1, 40) n;
    """
    with pytest.raises(IntegrityError, match="spot_area_excl"):
        replica.replicate(new_database(script), target, SETTINGS)
    assert database_name(target) not in server.databases()


JUDGED = """
    CREATE FUNCTION weighty(x numeric) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT x > 5';
    CREATE FUNCTION strict_half(x int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
      $$ BEGIN IF x % 2 = 1 THEN RAISE EXCEPTION 'odd'; END IF; RETURN x / 2; END $$;
    CREATE DOMAIN even AS int CHECK (VALUE & 1 = 0);
    CREATE TABLE load (
      id int PRIMARY KEY,
      kind text NOT NULL,
      weight numeric(8, 2) CHECK (CASE WHEN kind = 'heavy' THEN weighty(weight) ELSE weight < 5 END),
      code text CHECK (octet_length(code) BETWEEN 2 AND 6 AND code ~ '^[[:alpha:]]+$'),
      half int CHECK (strict_half(half) >= 0),
      number even,
      day date CHECK (extract(isodow FROM day) < 6),
      body text NOT NULL,
      digest text GENERATED ALWAYS AS (md5(lower(body))) STORED,
      UNIQUE (digest)
    );
    CREATE UNIQUE INDEX ON load (md5(code || '')) WHERE octet_length(code) = 6;
    INSERT INTO load
      SELECT n, CASE WHEN n % 3 = 0 THEN 'heavy' ELSE 'light' END, CASE WHEN n % 3 = 0 THEN 6 + n % 7 ELSE n % 5 END,
             CASE WHEN n % 4 > 0 THEN translate((100000 + n * 7919 % 90000)::text, '0123456789', 'abcdefghij') END,
             2 * n, n * 2, date '2024-01-01' + (n % 5) + 7 * (n % 30), 'Text number ' || n
        FROM generate_series(1, 300) n;
"""


def test_what_only_the_server_understands_is_judged_by_it_before_rows_are_loaded(
    new_database: NewDatabase, server: Server
) -> None:
    source, target = new_database(JUDGED), server.fresh()
    try:
        replica.replicate(source, target, replace(SETTINGS, scale=2.0))
        assert value(target, "SELECT count(*) FROM load") == 600
        found = replica.verify(source, target)
        assert found.valid
    finally:
        server.drop(target)


def test_what_no_value_satisfies_is_named_with_its_definition(new_database: NewDatabase, server: Server) -> None:
    source = new_database(
        "CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL); INSERT INTO t SELECT n, n FROM generate_series(1, 50) n;"
        "ALTER TABLE t ADD CONSTRAINT never CHECK (a & 1 = 2) NOT VALID, ADD CONSTRAINT odd CHECK (a >= 0);"
        "UPDATE pg_constraint SET convalidated = true WHERE conname = 'never'"
    )
    target = server.fresh()
    with pytest.raises(UnsatisfiableError, match=r"never \(.*a & 1.*\) cannot be kept: 100\.0% of the rows"):
        replica.replicate(source, target, SETTINGS)
    assert database_name(target) not in server.databases()
