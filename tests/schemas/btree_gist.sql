-- Plain types in GiST indexes, with exclusion of equal values.
-- Needs: extension btree_gist

CREATE SCHEMA "Ext Ensions";
CREATE EXTENSION btree_gist SCHEMA "Ext Ensions";

-- Feature: indexes of an extension in a schema that needs quotes
CREATE TABLE reading (id int PRIMARY KEY, at timestamptz NOT NULL, sensor int NOT NULL);
CREATE INDEX ON reading USING gist (sensor, at);
INSERT INTO reading SELECT n, timestamptz '2024-01-01 UTC' + n * interval '1 hour', n % 4 FROM generate_series(1, 80) n;
-- Same: SELECT count(*) FROM reading
-- Same: SELECT extname, extnamespace::regnamespace::text FROM pg_extension ORDER BY 1

-- Feature: exclusion of equal values
CREATE TABLE seat (id int PRIMARY KEY, hall text NOT NULL, no int, gone boolean NOT NULL,
  EXCLUDE USING gist (hall WITH =, no WITH =) WHERE (NOT gone), EXCLUDE USING btree (lower(hall) WITH =, id WITH =));
INSERT INTO seat SELECT n, 'hall ' || n % 4, n / 4, n % 7 = 0 FROM generate_series(1, 90) n;
-- True: SELECT count(*) = 90 AND count(DISTINCT hall) = 4 AND count(*) FILTER (WHERE gone) BETWEEN 3 AND 30 FROM seat

-- Feature: exclusion of values that differ: a cage has animals of one kind
CREATE TABLE zoo (id int PRIMARY KEY, cage int NOT NULL, animal text, EXCLUDE USING gist (cage WITH =, animal WITH <>));
INSERT INTO zoo SELECT n, n % 12, CASE WHEN n % 5 > 0 THEN (ARRAY['lion', 'zebra', 'ape', 'owl'])[1 + n % 12 % 4] END
  FROM generate_series(1, 120) n;
-- True: SELECT count(DISTINCT animal) > 1 AND abs(avg((animal IS NULL)::int) - 0.2) < 0.15 FROM zoo
-- True: SELECT bool_and(kinds < 2) FROM (SELECT count(DISTINCT animal) AS kinds FROM zoo GROUP BY cage) AS c
