-- One table per type: every value of the replica must be one that the type takes, and look like the source's.

CREATE TYPE mood AS ENUM ('sad', 'so so', 'b"right', 'o''kay');
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE DOMAIN zip AS text CHECK (VALUE ~ '^[0-9]{5}$');

-- Feature: arrays of one dimension
CREATE TABLE array_plain (id int PRIMARY KEY, tags text[] NOT NULL, numbers int[]);
INSERT INTO array_plain SELECT n, (ARRAY['a', 'b c', 'd"e', 'f,g', 'NULL', ''])[1 : n % 6], ARRAY[n, n * 2, n * 3]
  FROM generate_series(1, 80) n;
-- True: SELECT count(DISTINCT cardinality(tags)) = 6 FROM array_plain
-- True: SELECT bool_and(array_length(numbers, 1) = 3) AND count(DISTINCT numbers) > 20 FROM array_plain

-- Feature: arrays of several dimensions
CREATE TABLE array_matrix (id int PRIMARY KEY, matrix int[][], cube float8[] NOT NULL);
INSERT INTO array_matrix SELECT n, ARRAY[[n, n + 1, 7], [n + 2, n + 3, 8]], ARRAY[[[n / 3.0, 1], [2, 3]], [[4, 5], [6, 7]]]
  FROM generate_series(1, 90) n;
-- True: SELECT bool_and(array_dims(matrix) = '[1:2][1:3]' AND array_dims(cube) = '[1:2][1:2][1:2]') FROM array_matrix
-- True: SELECT count(DISTINCT matrix) > 20 FROM array_matrix

-- Feature: arrays with null elements
CREATE TABLE array_nulls (id int PRIMARY KEY, found int[] NOT NULL, words text[]);
INSERT INTO array_nulls SELECT n, ARRAY[n, nullif(n % 3, 0), n + 1], ARRAY[NULL, 'w' || n] FROM generate_series(1, 90) n;
-- True: SELECT abs(avg((array_position(found, NULL) IS NOT NULL)::int) - 0.33) < 0.25 FROM array_nulls
-- True: SELECT count(*) FILTER (WHERE array_position(words, NULL) IS NOT NULL) > 40 FROM array_nulls

-- Feature: arrays that do not begin at one
CREATE DOMAIN offsets AS int[] CHECK (VALUE[-1] > 0);
CREATE TABLE array_bounds (id int PRIMARY KEY, shifted int[], listed text[], matrix int[], side text NOT NULL, mixed int[],
    own int[] UNIQUE, offsets offsets);
INSERT INTO array_bounds SELECT n, ('[0:2]={' || n || ',' || n * 2 || ',3}')::int[], '[5:6]={a,"b c"}',
    ('[0:1][-3:-2]={{' || n || ',2},{3,' || n || '}}')::int[], CASE WHEN n % 3 > 0 THEN 'one' ELSE 'zero' END,
    CASE WHEN n % 9 = 0 THEN '{}' WHEN n % 3 > 0 THEN ARRAY[n, n % 7] ELSE ('[0:1]={' || n || ',' || n % 7 || '}')::int[] END,
    ('[0:1]={' || n % 10 || ',' || n / 10 || '}')::int[], ('[-1:0]={' || n || ',' || n - 50 || '}')::int[] FROM generate_series(1, 90) n;
-- Same: SELECT DISTINCT array_dims(shifted), array_dims(listed), array_dims(matrix), array_dims(own), array_dims(offsets)
--   FROM array_bounds
-- Same: SELECT DISTINCT listed FROM array_bounds
-- True: SELECT count(DISTINCT shifted) > 20 AND count(DISTINCT matrix) > 20 FROM array_bounds
-- True: SELECT avg((array_lower(mixed, 1) = CASE side WHEN 'one' THEN 1 ELSE 0 END)::int) > 0.8 FROM array_bounds
-- True: SELECT count(*) FILTER (WHERE array_lower(mixed, 1) = 0) BETWEEN 8 AND 35 FROM array_bounds

-- Feature: vectors
CREATE TABLE vectors (id int PRIMARY KEY, small int2vector NOT NULL, oids oidvector);
INSERT INTO vectors SELECT n, (n % 4 || ' 2')::int2vector, CASE WHEN n % 3 > 0 THEN '1 20'::oidvector END FROM generate_series(1, 60) n;
-- True: SELECT count(DISTINCT small) = 4 AND count(oids) BETWEEN 20 AND 55 FROM vectors

-- Feature: arrays of enums and domains
CREATE TABLE array_named (id int PRIMARY KEY, moods mood[] NOT NULL, zips zip[], counts positive[] NOT NULL);
INSERT INTO array_named SELECT n, (enum_range(NULL::mood))[1 : 1 + n % 4], ARRAY[lpad((n * 37)::text, 5, '0'), '10115'],
    ARRAY[n, n + 5] FROM generate_series(1, 90) n;
-- True: SELECT count(DISTINCT m) = 4 FROM array_named, unnest(moods) m
-- True: SELECT count(DISTINCT c) > 20 FROM array_named, unnest(counts) c

-- Feature: arrays of composites
CREATE TYPE part AS (name text, weight numeric(6, 2), fits mood);
CREATE TABLE array_parts (id int PRIMARY KEY, parts part[] NOT NULL);
INSERT INTO array_parts SELECT n, ARRAY[('p,' || n, n / 4.0, 'sad')::part, (NULL, n, 'o''kay')::part]
  FROM generate_series(1, 90) n;
-- True: SELECT bool_and(cardinality(parts) = 2) AND count(DISTINCT (parts[1]).weight) > 20 FROM array_parts

-- Feature: composites
CREATE TYPE place AS (street text, number int, tags text[], opened date);
CREATE TABLE composite (id int PRIMARY KEY, at place, deep place NOT NULL);
INSERT INTO composite SELECT n, CASE WHEN n % 5 > 0 THEN ('High "St", ' || n % 4, n, '{a,b}', date '2020-01-01' + n)::place
    END, ('x', nullif(n % 4, 1), NULL, NULL)::place FROM generate_series(1, 80) n;
-- True: SELECT count(DISTINCT (at).number) > 20 AND abs(avg((at IS NULL)::int) - 0.2) < 0.15 FROM composite
-- True: SELECT min((at).opened) >= '2019-12-01' AND max((at).opened) <= '2020-05-01' FROM composite

-- Feature: ranges
CREATE TYPE reach AS RANGE (subtype = float8);
CREATE TABLE ranges (id int PRIMARY KEY, i int4range NOT NULL, d daterange, ts tstzrange, n numrange, r reach,
    open int8range);
INSERT INTO ranges SELECT n, int4range(n, n + 5 + n % 3), daterange(date '2024-01-01' + n, date '2024-01-08' + n, '[]'),
    tstzrange(timestamptz '2024-01-01 10:00+00' + n * interval '1 hour', timestamptz '2024-01-01 11:30+00' + n * interval '1 hour'),
    CASE WHEN n % 4 = 0 THEN 'empty' WHEN n % 4 < 3 THEN numrange(n / 7.0, n) END, reach(n, n + 0.5, '(]'),
    CASE WHEN n % 2 = 0 THEN int8range(n, NULL) ELSE int8range(NULL, n) END FROM generate_series(1, 90) n;
-- True: SELECT bool_and(NOT isempty(i) AND upper(i) - lower(i) BETWEEN 5 AND 7) AND count(DISTINCT i) > 20 FROM ranges
-- True: SELECT bool_and(upper(d) - lower(d) = 8 AND upper(ts) - lower(ts) = '90 minutes') FROM ranges
-- True: SELECT abs(avg(isempty(n)::int) - 0.33) < 0.3 AND count(*) FILTER (WHERE n IS NULL) BETWEEN 8 AND 40 FROM ranges
-- True: SELECT bool_and(lower_inf(open) <> upper_inf(open)) AND count(DISTINCT lower_inf(open)) = 2 FROM ranges
-- True: SELECT bool_and(NOT lower_inc(r) AND upper_inc(r)) FROM ranges

-- Feature: multiranges
CREATE TABLE multiranges (id int PRIMARY KEY, m int4multirange NOT NULL, d datemultirange);
INSERT INTO multiranges SELECT n, int4multirange(int4range(n, n + 2), int4range(n + 10, n + 20)),
    datemultirange(daterange(date '2024-01-01' + n, date '2024-01-03' + n)) FROM generate_series(1, 90) n;
-- True: SELECT count(DISTINCT m) > 20 AND bool_and(NOT isempty(m)) FROM multiranges
-- True: SELECT avg((SELECT count(*) FROM unnest(m))) > 1.5 FROM multiranges

-- Feature: network addresses
CREATE TABLE network (id int PRIMARY KEY, ip inet NOT NULL, net cidr, mac macaddr, mac8 macaddr8);
INSERT INTO network SELECT n, CASE WHEN n % 3 = 0 THEN ('2001:db8::' || to_hex(n))::inet ELSE ('10.0.' || n % 7 || '.' || n)::inet END,
    ('10.' || n || '.0.0/16')::cidr, ('08:00:2b:01:02:' || lpad(to_hex(n), 2, '0'))::macaddr,
    ('08:00:2b:01:02:03:04:' || lpad(to_hex(n), 2, '0'))::macaddr8 FROM generate_series(1, 80) n;
-- True: SELECT count(DISTINCT family(ip)) = 2 AND count(DISTINCT ip) > 40 FROM network
-- True: SELECT bool_and(masklen(net) = 16) AND count(DISTINCT mac) > 20 AND count(DISTINCT mac8) > 20 FROM network

-- Feature: money
CREATE TABLE money (id int PRIMARY KEY, price money NOT NULL, owed money);
INSERT INTO money SELECT n, (n * 12345.67)::numeric::money, (-n)::numeric::money FROM generate_series(1, 80) n;
-- True: SELECT min(price) >= 0::money AND max(price) < 1200000::money AND max(owed) < 1::money FROM money

-- Feature: bits
CREATE TABLE bits (id int PRIMARY KEY, b8 bit(8) NOT NULL, b bit, v varbit(12), u varbit);
INSERT INTO bits SELECT n, n::bit(8), (n % 2)::bit, substring(n::bit(12) FROM 1 FOR 3 + n % 9)::varbit(12), B'101'
  FROM generate_series(1, 90) n;
-- True: SELECT count(DISTINCT b8) > 20 AND count(DISTINCT b) = 2 FROM bits
-- True: SELECT count(DISTINCT length(v)) > 4 AND max(length(v)) <= 12 AND bool_and(u = B'101') FROM bits

-- Feature: xml
-- Needs: feature xml
CREATE TABLE xml (id int PRIMARY KEY, doc xml NOT NULL, part xml);
INSERT INTO xml SELECT n, ('<item no="' || n || '"><name>thing ' || n % 5 || '</name><price>' || n / 4.0 || '</price></item>')::xml,
    CASE WHEN n % 3 = 0 THEN '<a/><b>x &amp; y</b>'::xml END FROM generate_series(1, 90) n;
-- True: SELECT bool_and(doc IS DOCUMENT AND (doc::text LIKE '<item%</item>')) AND count(DISTINCT doc::text) > 20 FROM xml
-- True: SELECT bool_and(part IS NULL OR NOT part IS DOCUMENT) FROM xml

-- Feature: tsvector from generated text
CREATE TABLE words (id int PRIMARY KEY, title text NOT NULL, body text, tsv tsvector,
    computed tsvector GENERATED ALWAYS AS (to_tsvector('simple', title)) STORED);
INSERT INTO words (id, title, body, tsv) SELECT n, title, body, setweight(to_tsvector('english', title), 'A')
    || setweight(to_tsvector('english', coalesce(body, '')), 'B')
  FROM (SELECT n, (ARRAY['green', 'running', 'small'])[1 + n % 3] || ' houses ' || n AS title,
    'They were built in ' || 1900 + n || ' by the ' || (ARRAY['river', 'hills'])[1 + n % 2] AS body
    FROM generate_series(1, 90) n) AS made;
-- True: SELECT bool_and(computed = to_tsvector('simple', title)) FROM words
-- True: SELECT bool_and(tsv = setweight(to_tsvector('english', title), 'A')
--     || setweight(to_tsvector('english', coalesce(body, '')), 'B')) FROM words

-- Feature: numeric NaN and infinity
CREATE TABLE odd_numbers (id int PRIMARY KEY, n numeric NOT NULL, f float8, r real);
INSERT INTO odd_numbers SELECT n, CASE n % 4 WHEN 0 THEN 'NaN'::numeric WHEN 1 THEN 'Infinity' WHEN 2 THEN '-Infinity' ELSE n END,
    CASE WHEN n % 5 = 0 THEN 'NaN'::float8 ELSE n / 3.0 END, CASE WHEN n % 5 = 0 THEN '-Infinity'::real ELSE n END
  FROM generate_series(1, 80) n;
-- True: SELECT count(*) FILTER (WHERE n = 'NaN') > 5 AND count(*) FILTER (WHERE n = 'Infinity') > 5
--     AND count(*) FILTER (WHERE n = '-Infinity') > 5 AND count(*) FILTER (WHERE abs(n) < 1000) > 5 FROM odd_numbers
-- True: SELECT count(*) FILTER (WHERE f = 'NaN') > 5 AND count(*) FILTER (WHERE r = '-Infinity') > 5 FROM odd_numbers

-- Feature: numbers of all sizes
CREATE TABLE numbers (id int PRIMARY KEY, small smallint, big bigint, exact numeric(20, 8), hundreds numeric(5, -2),
    tiny numeric(3, 5), huge numeric);
INSERT INTO numbers SELECT n, n * 400, 9000000000000000000 + n, n * 123456.12345678, n * 1000, n * 0.00001, 10 ^ (n / 2)
  FROM generate_series(1, 80) n;
-- True: SELECT min(big) >= 9000000000000000000 AND max(big) <= 9000000000000010000 FROM numbers
-- True: SELECT bool_and(hundreds % 100 = 0) AND max(tiny) < 0.001 AND max(huge) > 1e35 FROM numbers

-- Feature: dates before Christ and infinity
CREATE TABLE odd_days (id int PRIMARY KEY, day date NOT NULL, at timestamp, tz timestamptz);
INSERT INTO odd_days SELECT n, CASE n % 4 WHEN 0 THEN 'infinity' WHEN 1 THEN '-infinity' WHEN 2 THEN date '0044-03-15 BC' + n
    ELSE date '2020-01-01' + n END, CASE WHEN n % 3 = 0 THEN 'infinity' ELSE timestamp '2020-01-01' + n * interval '1 day' END,
    CASE WHEN n % 3 = 0 THEN '-infinity' ELSE timestamptz '20000-01-01 00:00+00' + n * interval '1 day' END
  FROM generate_series(1, 80) n;
-- True: SELECT count(*) FILTER (WHERE day = 'infinity') > 5 AND count(*) FILTER (WHERE day = '-infinity') > 5
--     AND count(*) FILTER (WHERE isfinite(day) AND day < '0001-01-01') > 5 FROM odd_days
-- True: SELECT count(*) FILTER (WHERE at = 'infinity') > 5 AND count(*) FILTER (WHERE tz = '-infinity') > 5
--     AND count(*) FILTER (WHERE isfinite(tz) AND tz > '19999-01-01 UTC') > 5 FROM odd_days

-- Feature: times and intervals
CREATE TABLE times (id int PRIMARY KEY, t time, tz timetz, t0 time(0), ts timestamp(3), i interval, y interval year to month,
    late time);
INSERT INTO times SELECT n, time '08:00' + n * interval '1 minute', timetz '08:00+02' + n * interval '1 minute', time '12:00',
    timestamp '2024-01-01 00:00:00.123' + n * interval '1 second', n * interval '1 hour' - interval '2 days', n * interval '1 month',
    '24:00' FROM generate_series(1, 90) n;
-- True: SELECT bool_and(t BETWEEN '08:00' AND '09:31') AND bool_and(date_trunc('millisecond', ts) = ts) FROM times
-- True: SELECT bool_and(extract(epoch FROM i) BETWEEN -180000 AND 180000) AND count(DISTINCT i) > 20
--     AND bool_and(y = make_interval(months => extract(year FROM y)::int * 12 + extract(month FROM y)::int)) FROM times

-- Feature: geometric types
CREATE TABLE geometric (id int PRIMARY KEY, p point NOT NULL, l line, s lseg, b box NOT NULL, pa path, po polygon, c circle);
INSERT INTO geometric SELECT n, point(n, n / 2.0), line(point(0, n), point(1, n + 1)), lseg(point(0, 0), point(n, n)),
    box(point(n, n), point(n + 2, n + 3)), ('[(0,0),(1,' || n || '),(2,2)]')::path,
    polygon(('((0,0),(' || n || ',0),(0,' || n || '))')), circle(point(n, n), n) FROM generate_series(1, 90) n;
-- True: SELECT count(DISTINCT p::text) > 20 AND min(p[0]) >= 0 AND max(p[0]) <= 91 FROM geometric
-- True: SELECT count(DISTINCT b::text) > 20 AND min(radius(c)) >= 0 AND max(radius(c)) <= 91 FROM geometric
-- True: SELECT bool_and(isopen(pa) AND npoints(pa) = 3 AND npoints(po) = 3) FROM geometric

-- Feature: text types
CREATE TABLE texts (id int PRIMARY KEY, c char(6) NOT NULL, v varchar(9), one "char", nm name, empty text NOT NULL, ctrl text);
INSERT INTO texts SELECT n, 'c' || n % 9, 'v' || n, 'x', 'n' || n % 4, '', E'tab\tnew\nline\\ ' || n % 3
  FROM generate_series(1, 80) n;
-- True: SELECT max(length(v)) <= 9 AND bool_and(empty = '') AND bool_and(ctrl LIKE E'tab\tnew\nline%') FROM texts

-- Feature: uuid and bytes
CREATE TABLE bytes (id uuid PRIMARY KEY, other uuid, b bytea NOT NULL);
INSERT INTO bytes SELECT gen_random_uuid(), gen_random_uuid(), decode(lpad(to_hex(n), 4 + 2 * (n % 3), '0'), 'hex')
  FROM generate_series(1, 80) n;
-- True: SELECT count(DISTINCT id) = 80 AND max(length(b)) <= 4 FROM bytes

-- Feature: json and jsonb
CREATE TABLE json (id int PRIMARY KEY, j json NOT NULL, jb jsonb, scalar jsonb);
INSERT INTO json SELECT n, json_build_object('a', n, 'b', ARRAY[n, 2], 'c', json_build_object('d', n % 3 = 0)),
    CASE n % 3 WHEN 0 THEN 'null'::jsonb WHEN 1 THEN jsonb_build_object('k', 'v' || n % 4) END, to_jsonb(n)
  FROM generate_series(1, 80) n;
-- True: SELECT count(*) FILTER (WHERE jb = 'null') > 5 AND count(*) FILTER (WHERE jb IS NULL) > 5 FROM json
-- True: SELECT bool_and(jsonb_typeof(scalar) = 'number' AND j ->> 'a' IS NOT NULL) FROM json

-- Feature: system types
CREATE TABLE system (id int PRIMARY KEY, o oid NOT NULL, r regclass, lsn pg_lsn, snap pg_snapshot, q tsquery, jp jsonpath);
INSERT INTO system SELECT n, 3000000000 + n, 'pg_class', ('0/' || to_hex(n))::pg_lsn, '10:20:10,14', 'fat & rat', '$.a'
  FROM generate_series(1, 80) n;
-- True: SELECT min(o::int8) >= 3000000000 AND max(o::int8) <= 3000000100 AND bool_and(q = 'fat & rat') FROM system

-- Feature: domains over everything
CREATE DOMAIN mood_or_other AS mood CHECK (VALUE <> 'sad');
CREATE DOMAIN span AS daterange CHECK (NOT isempty(VALUE));
CREATE DOMAIN few AS int[] CHECK (cardinality(VALUE) < 4);
CREATE DOMAIN price AS numeric(8, 2) DEFAULT 1 NOT NULL CHECK (VALUE > 0) CHECK (VALUE < 1000);
CREATE DOMAIN sale AS price CHECK (VALUE < 500);
CREATE TABLE domains (id int PRIMARY KEY, m mood_or_other NOT NULL, s span, f few NOT NULL, p sale, z zip NOT NULL);
INSERT INTO domains SELECT n, (enum_range(NULL::mood))[2 + n % 3], daterange(date '2024-01-01' + n, NULL), (ARRAY[1, n, 3])[1 : n % 4],
    n * 5, lpad((n * 37)::text, 5, '0') FROM generate_series(1, 90) n;
-- True: SELECT count(DISTINCT m) = 3 AND max(p) < 500 AND count(DISTINCT z) > 20 FROM domains
