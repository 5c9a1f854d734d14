-- Unique arrays: values repeated, and nothing could tell them apart.

-- Feature: unique arrays
CREATE TABLE odd_key (id int PRIMARY KEY, tags int[] NOT NULL UNIQUE);
INSERT INTO odd_key SELECT n, ARRAY[n, 2] FROM generate_series(1, 60) n;
-- Same: SELECT count(*) FROM odd_key
