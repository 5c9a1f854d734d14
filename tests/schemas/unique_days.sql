-- One row a day: moments were changed, but not by days, and the rule was given up.

-- Feature: unique days of moments
CREATE TABLE daily (id int PRIMARY KEY, at timestamp NOT NULL);
INSERT INTO daily SELECT n, timestamp '2024-01-01' + n * interval '1 day 3 hours' FROM generate_series(1, 90) n;
CREATE UNIQUE INDEX ON daily (date_trunc('day', at));
-- Same: SELECT count(*), count(DISTINCT at::date) FROM daily
