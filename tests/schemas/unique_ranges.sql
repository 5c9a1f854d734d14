-- Unique ranges: values repeated, and nothing could tell them apart.

-- Feature: unique ranges
CREATE TABLE odd_key (id int PRIMARY KEY, r int4range NOT NULL UNIQUE);
INSERT INTO odd_key SELECT n, int4range(n, n + 5) FROM generate_series(1, 60) n;
-- Same: SELECT count(*) FROM odd_key
