-- Unique rules over expressions that only the server can evaluate: planning ended with an error of the evaluator.

-- Feature: unique hashes of texts
CREATE TABLE document (id int PRIMARY KEY, body text NOT NULL);
INSERT INTO document SELECT n, repeat('text ' || n || ' ', 20) FROM generate_series(1, 60) n;
CREATE UNIQUE INDEX ON document (md5(body));
-- Same: SELECT count(*), count(DISTINCT md5(body)) FROM document
