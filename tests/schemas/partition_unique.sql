-- A unique index of one partition only: it was not known where rows are made, and creating it failed.

-- Feature: one partition has a unique rule of its own
CREATE TABLE event (at timestamptz NOT NULL, number int, note text) PARTITION BY RANGE (at);
CREATE TABLE event_early PARTITION OF event FOR VALUES FROM (MINVALUE) TO ('2024-01-01 UTC');
CREATE TABLE event_late PARTITION OF event FOR VALUES FROM ('2024-01-01 UTC') TO (MAXVALUE);
CREATE UNIQUE INDEX ON event_late (number);
ALTER TABLE event_late ADD CHECK (number > 10);
INSERT INTO event SELECT timestamptz '2023-01-01 UTC' + n * interval '4 days', CASE WHEN n > 90 THEN n ELSE n % 3 END, 'n' || n % 4
  FROM generate_series(1, 160) n;
-- True: SELECT (SELECT count(DISTINCT number) = count(*) FROM event_late) AND (SELECT min(number) < 3 FROM event_early)
