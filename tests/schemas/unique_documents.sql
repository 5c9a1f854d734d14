-- Unique documents: values repeated, and nothing could tell them apart.

-- Feature: unique documents
CREATE TABLE odd_key (id int PRIMARY KEY, j jsonb NOT NULL UNIQUE);
INSERT INTO odd_key SELECT n, jsonb_build_object('a', n) FROM generate_series(1, 60) n;
-- Same: SELECT count(*) FROM odd_key
