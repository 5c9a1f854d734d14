-- Tables of all sorts, and what stands around them: partitions, inheritance, security, views, functions, comments.

-- Feature: unlogged tables stay unlogged and are filled
CREATE UNLOGGED TABLE scratch (id int PRIMARY KEY, v text);
INSERT INTO scratch SELECT n, 'v' || n % 5 FROM generate_series(1, 60) n;
-- True: SELECT relpersistence = 'u' AND (SELECT count(*) FROM scratch) = 60 FROM pg_class WHERE relname = 'scratch'

-- Feature: temporary tables are left out
CREATE TEMPORARY TABLE mine (id int PRIMARY KEY);
INSERT INTO mine SELECT generate_series(1, 40);
-- True: SELECT to_regclass('mine') IS NULL AND count(*) = 0 FROM pg_class WHERE relname = 'mine'

-- Feature: tables without columns
CREATE TABLE nothing ();
INSERT INTO nothing SELECT FROM generate_series(1, 50);
-- True: SELECT count(*) = 50 FROM nothing

-- Feature: tables of computed columns only
CREATE TABLE all_computed (n int GENERATED ALWAYS AS (7) STORED);
INSERT INTO all_computed SELECT FROM generate_series(1, 45);
-- True: SELECT count(*) = 45 AND bool_and(n = 7) FROM all_computed

-- Feature: dropped columns leave no trace
CREATE TABLE dropped (id int PRIMARY KEY, gone text, stays text);
INSERT INTO dropped SELECT n, 'g', 's' || n % 3 FROM generate_series(1, 50) n;
ALTER TABLE dropped DROP COLUMN gone;
-- Same: SELECT count(*), count(stays) FROM dropped

-- Feature: tables without keys keep their rate of duplicates
CREATE TABLE log (level int NOT NULL, line text, code int);
INSERT INTO log SELECT n % 2, 'line ' || n % 3, n % 2 FROM generate_series(1, 120) n;
CREATE TABLE readings (at timestamptz, value float8, sensor int);
INSERT INTO readings SELECT timestamptz '2024-01-01 UTC' + n * interval '7 minutes', n * 1.37, n % 4 FROM generate_series(1, 150) n;
CREATE TABLE doubled (a int, b text, c date);
INSERT INTO doubled SELECT n / 2, 'b' || n / 2, date '2024-01-01' + n / 2 FROM generate_series(0, 199) n;
-- True: SELECT (SELECT count(*) FROM (SELECT DISTINCT * FROM log) d) <= 12 FROM log LIMIT 1
-- True: SELECT (SELECT count(*) FROM (SELECT DISTINCT * FROM readings) d) >= 145
-- True: SELECT abs((SELECT count(*) FROM (SELECT DISTINCT * FROM doubled) d) - 100) < 30

-- Feature: partitions by range, with a default
CREATE TABLE measure (id int GENERATED ALWAYS AS IDENTITY, day date NOT NULL, value int, PRIMARY KEY (id, day))
    PARTITION BY RANGE (day);
CREATE TABLE measure_2023 PARTITION OF measure FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE measure_2024 PARTITION OF measure FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE measure_never PARTITION OF measure FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
CREATE TABLE measure_rest PARTITION OF measure DEFAULT;
INSERT INTO measure (day, value) SELECT date '2022-11-01' + n * 6, n % 9 FROM generate_series(1, 150) n;
-- True: SELECT (SELECT count(*) FROM measure_2023) > 0 AND (SELECT count(*) FROM measure_2024) > 0
--     AND (SELECT count(*) FROM measure_rest) > 0 AND (SELECT count(*) FROM measure) = 150

-- Feature: partitions by list, and of enums
CREATE TYPE region AS ENUM ('eu', 'us', 'asia', 'moon');
CREATE TABLE sale (id int, region region, amount numeric(8, 2) CHECK (amount > 0), PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE sale_eu PARTITION OF sale FOR VALUES IN ('eu');
CREATE TABLE sale_us PARTITION OF sale FOR VALUES IN ('us', 'asia');
INSERT INTO sale SELECT n, (ARRAY['eu', 'us', 'asia'])[1 + n % 3]::region, n * 1.5 FROM generate_series(1, 120) n;
-- True: SELECT (SELECT count(*) FROM sale_eu) > 0 AND (SELECT count(DISTINCT region) FROM sale_us) = 2

-- Feature: partitions by hash
CREATE TABLE visitor (id bigint PRIMARY KEY, name text) PARTITION BY HASH (id);
CREATE TABLE visitor_0 PARTITION OF visitor FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE visitor_1 PARTITION OF visitor FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE visitor_2 PARTITION OF visitor FOR VALUES WITH (MODULUS 3, REMAINDER 2);
INSERT INTO visitor SELECT n, 'name ' || n % 11 FROM generate_series(1, 90) n;
-- True: SELECT (SELECT count(*) FROM visitor_0) > 0 AND (SELECT count(*) FROM visitor_1) > 0 AND (SELECT count(*) FROM visitor_2) > 0

-- Feature: partitions of partitions
CREATE TABLE event (at timestamptz NOT NULL, kind text NOT NULL, note text) PARTITION BY RANGE (at);
CREATE TABLE event_2023 PARTITION OF event FOR VALUES FROM ('2023-01-01 UTC') TO ('2024-01-01 UTC') PARTITION BY LIST (kind);
CREATE TABLE event_2023_a PARTITION OF event_2023 FOR VALUES IN ('a');
CREATE TABLE event_2023_rest PARTITION OF event_2023 DEFAULT PARTITION BY HASH (at);
CREATE TABLE event_2023_rest_0 PARTITION OF event_2023_rest FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE event_2023_rest_1 PARTITION OF event_2023_rest FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE event_late PARTITION OF event FOR VALUES FROM ('2024-01-01 UTC') TO (MAXVALUE);
INSERT INTO event SELECT timestamptz '2023-01-01 UTC' + n * interval '4 days', (ARRAY['a', 'b', 'c'])[1 + n % 3], 'n' || n % 4
  FROM generate_series(1, 160) n;
-- True: SELECT (SELECT count(*) FROM event_2023_a) > 0 AND (SELECT count(*) FROM event_2023_rest_0) > 0
--     AND (SELECT count(*) FROM event_2023_rest_1) > 0 AND (SELECT count(*) FROM event_late) > 0

-- Feature: references from and to partitioned tables
CREATE TABLE visit (id int PRIMARY KEY, visitor bigint NOT NULL REFERENCES visitor, day date NOT NULL) ;
INSERT INTO visit SELECT n, 1 + n % 90, date '2024-01-01' + n FROM generate_series(1, 120) n;
CREATE TABLE visit_note (visit int REFERENCES visit, at date, note text) PARTITION BY RANGE (at);
CREATE TABLE visit_note_all PARTITION OF visit_note DEFAULT;
INSERT INTO visit_note SELECT 1 + n % 120, date '2024-01-01' + n, 'n' || n % 3 FROM generate_series(1, 100) n;
-- True: SELECT count(*) = 120 AND count(DISTINCT visitor) > 40 FROM visit JOIN visitor ON visitor.id = visit.visitor
-- True: SELECT count(*) = 100 FROM visit_note JOIN visit ON visit.id = visit_note.visit

-- Feature: parents and children of inheritance have rows of their own
CREATE TABLE asset (id int PRIMARY KEY, label text NOT NULL CHECK (label <> ''), price int);
CREATE TABLE car (plate text UNIQUE) INHERITS (asset);
CREATE TABLE lorry (axles int NOT NULL) INHERITS (car);
INSERT INTO asset SELECT n, 'asset ' || n % 4, n FROM generate_series(1, 70) n;
INSERT INTO car SELECT 1000 + n, 'car ' || n % 3, 10000 + n, 'B-' || n FROM generate_series(1, 50) n;
INSERT INTO lorry SELECT 2000 + n, 'lorry', 90000 + n, 'L-' || n, 2 + n % 4 FROM generate_series(1, 40) n;
-- True: SELECT (SELECT count(*) FROM ONLY asset) = 70 AND (SELECT count(*) FROM ONLY car) = 50
--     AND (SELECT count(*) FROM lorry) = 40 AND (SELECT count(*) FROM asset) = 160
-- True: SELECT (SELECT max(price) FROM ONLY asset) <= 75 AND (SELECT min(price) FROM ONLY car) >= 9990
-- True: SELECT count(DISTINCT label) <= 4 FROM ONLY asset

-- Feature: several parents of inheritance
CREATE TABLE dated (made date NOT NULL);
CREATE TABLE named (name text);
CREATE TABLE dated_named (n int) INHERITS (dated, named);
INSERT INTO dated SELECT date '2024-01-01' + n FROM generate_series(1, 45) n;
INSERT INTO dated_named SELECT date '2020-01-01' + n, 'name' || n % 3, n FROM generate_series(1, 55) n;
-- Same: SELECT (SELECT count(*) FROM ONLY dated), (SELECT count(*) FROM ONLY named), (SELECT count(*) FROM dated_named)

-- Feature: row-level security
CREATE TABLE secret (id int PRIMARY KEY, owner name DEFAULT current_user, v int);
INSERT INTO secret SELECT n, 'nobody', n % 5 FROM generate_series(1, 60) n;
ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
ALTER TABLE secret FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON secret USING (owner = current_user) WITH CHECK (v > 100);
CREATE POLICY also ON secret AS RESTRICTIVE FOR SELECT USING (v < 4);
-- True: SELECT relrowsecurity AND relforcerowsecurity AND (SELECT count(*) FROM pg_policy) = 2
--     AND (SELECT count(*) FROM secret) = 60 FROM pg_class WHERE relname = 'secret'

-- Feature: views, and materialised views of views
CREATE TABLE figure (id int PRIMARY KEY, grp text NOT NULL, v int);
INSERT INTO figure SELECT n, 'g' || n % 4, n FROM generate_series(1, 80) n;
CREATE MATERIALIZED VIEW zz_base AS SELECT grp, count(*) AS n FROM figure GROUP BY grp;
CREATE UNIQUE INDEX ON zz_base (grp);
CREATE VIEW between_them AS SELECT * FROM zz_base WHERE n > 0;
CREATE MATERIALIZED VIEW aa_top AS SELECT sum(n) AS n FROM between_them;
CREATE MATERIALIZED VIEW left_empty AS SELECT * FROM figure WITH NO DATA;
CREATE RECURSIVE VIEW counting (n) AS SELECT 1 UNION ALL SELECT n + 1 FROM counting WHERE n < 5;
CREATE VIEW guarded WITH (security_barrier) AS SELECT * FROM figure WHERE v > 5 WITH LOCAL CHECK OPTION;
-- True: SELECT n = 80 FROM aa_top
-- Same: SELECT relname, relispopulated FROM pg_class WHERE relkind = 'm' ORDER BY 1
-- True: SELECT sum(n) = 15 FROM counting

-- Feature: materialised views that read functions without a schema
-- Needs: server before 17
CREATE FUNCTION doubled_of(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
CREATE FUNCTION quadrupled(n int) RETURNS int LANGUAGE plpgsql STABLE AS $$BEGIN RETURN doubled_of(doubled_of(n)); END$$;
CREATE MATERIALIZED VIEW with_function AS SELECT quadrupled(v) AS v4 FROM figure;
-- True: SELECT count(*) = 80 FROM with_function

-- Feature: rules do not rewrite the loading
CREATE TABLE ruled (id int PRIMARY KEY, v int);
CREATE TABLE ruled_log (id int);
INSERT INTO ruled SELECT n, n % 4 FROM generate_series(1, 50) n;
CREATE RULE watch AS ON INSERT TO ruled DO ALSO INSERT INTO ruled_log VALUES (NEW.id);
CREATE RULE keep AS ON DELETE TO ruled DO INSTEAD NOTHING;
-- True: SELECT (SELECT count(*) FROM ruled) = 50 AND (SELECT count(*) FROM ruled_log) = 0
-- True: SELECT count(*) = 2 FROM pg_rules WHERE tablename = 'ruled'

-- Feature: functions, procedures, aggregates, operators, casts
CREATE FUNCTION whole_row(figure) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1.v';
CREATE FUNCTION rows_of() RETURNS SETOF figure LANGUAGE sql STABLE BEGIN ATOMIC SELECT * FROM figure; END;
CREATE FUNCTION body_with_header() RETURNS text LANGUAGE sql AS $body$SELECT '
--
-- Name: x; Type: TABLE; Schema: public; Owner: postgres
--
'::text$body$;
CREATE PROCEDURE tidy() LANGUAGE sql AS 'DELETE FROM figure WHERE false';
CREATE AGGREGATE total(int) (sfunc = int4pl, stype = int, initcond = '0');
CREATE FUNCTION near(int, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT abs($1 - $2) < 3';
CREATE OPERATOR ~~~ (leftarg = int, rightarg = int, function = near);
CREATE TYPE pair AS (a int, b int);
CREATE FUNCTION to_pair(int) RETURNS pair LANGUAGE sql IMMUTABLE AS 'SELECT ($1, $1)::pair';
CREATE CAST (int AS pair) WITH FUNCTION to_pair(int);
CREATE COLLATION plain (locale = 'C');
-- True: SELECT count(*) = 80 AND (SELECT total(v) FROM figure) IS NOT NULL AND 3 OPERATOR(public.~~~) 4 FROM rows_of()
-- True: SELECT body_with_header() LIKE '%Type: TABLE%'

-- Feature: comments of everything
CREATE TABLE commented (id int CONSTRAINT commented_key PRIMARY KEY, v int CONSTRAINT positive CHECK (v > 0));
CREATE INDEX commented_index ON commented (v);
COMMENT ON TABLE commented IS E'it''s\n-- Name: x; Type: TABLE';
COMMENT ON COLUMN commented.v IS 'a "value"; \ and more';
COMMENT ON CONSTRAINT positive ON commented IS 'why';
COMMENT ON INDEX commented_index IS 'quick';
COMMENT ON SCHEMA public IS 'ours';
INSERT INTO commented SELECT n, n FROM generate_series(1, 40) n;
-- Same: SELECT objsubid, description FROM pg_description JOIN pg_class c ON c.oid = objoid
--     WHERE relname IN ('commented', 'commented_index') AND classoid = 'pg_class'::regclass ORDER BY 1, 2
-- Same: SELECT obj_description(oid, 'pg_constraint') FROM pg_constraint WHERE conname = 'positive'
-- Same: SELECT obj_description('public'::regnamespace, 'pg_namespace')

-- Feature: statistics objects, targets and storage parameters
CREATE TABLE counted (a int, b int, c text) WITH (fillfactor = 70, autovacuum_enabled = false);
INSERT INTO counted SELECT n % 4, n % 2, 'c' || n % 3 FROM generate_series(1, 90) n;
CREATE STATISTICS together (dependencies, ndistinct) ON a, b FROM counted;
CREATE STATISTICS of_expression ON (a + b) FROM counted;
ALTER TABLE counted ALTER COLUMN c SET STORAGE EXTERNAL, ALTER COLUMN a SET STATISTICS 250, ALTER b SET (n_distinct = 5);
-- Same: SELECT stxname, stxkeys::text, stxkind::text FROM pg_statistic_ext ORDER BY 1
-- Same: SELECT attname, attstorage, 'n_distinct=5' = ANY(attoptions) FROM pg_attribute WHERE attrelid = 'counted'::regclass AND attnum > 0 ORDER BY 1
-- Same: SELECT reloptions FROM pg_class WHERE relname = 'counted'
-- True: SELECT count(*) > 0 FROM pg_stats WHERE tablename = 'counted'

-- Feature: clustered tables, replica identity, typed tables, access to columns by name
CREATE TYPE employee_row AS (id int, name text);
CREATE TABLE typed OF employee_row (PRIMARY KEY (id));
INSERT INTO typed SELECT n, 'name' || n % 4 FROM generate_series(1, 44) n;
CREATE TABLE arranged (id int PRIMARY KEY, v int);
CREATE INDEX arranged_v ON arranged (v);
ALTER TABLE arranged CLUSTER ON arranged_v, REPLICA IDENTITY FULL;
INSERT INTO arranged SELECT n, -n FROM generate_series(1, 44) n;
-- Same: SELECT relreplident, reloftype = 0 FROM pg_class WHERE relname IN ('typed', 'arranged') ORDER BY relname
-- Same: SELECT count(*) FROM typed
