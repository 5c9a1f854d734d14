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
