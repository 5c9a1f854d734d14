-- Types of smaller extensions.
-- Needs: extension cube
-- Needs: extension seg
-- Needs: extension isn
-- Needs: extension intarray
-- Needs: extension uuid-ossp
-- Needs: extension pgcrypto

CREATE EXTENSION cube;
CREATE EXTENSION seg;
CREATE EXTENSION isn;
CREATE EXTENSION intarray;
CREATE EXTENSION "uuid-ossp";
CREATE EXTENSION pgcrypto;

-- Feature: cubes and segments
CREATE TABLE body (id int PRIMARY KEY, c cube NOT NULL, s seg);
INSERT INTO body SELECT n, cube(ARRAY[n, n + 1, n / 2.0]), (n || ' .. ' || n + 2)::seg FROM generate_series(1, 90) n;
-- True: SELECT bool_and(cube_dim(c) = 3) AND count(DISTINCT c::text) > 10 FROM body

-- Feature: book numbers
CREATE TABLE book (isbn isbn13 PRIMARY KEY, ean ean13, name text);
INSERT INTO book SELECT ('978' || lpad(n::text, 9, '0') || 'X')::text::isbn13, NULL, 'b' || n
  FROM (SELECT 300000000 + n * 7919 AS n FROM generate_series(0, 0) n) AS made WHERE false;
INSERT INTO book SELECT isbn13(ean13(x)), NULL, 'b' FROM (VALUES ('9783161484100'), ('9780306406157')) AS v (x);
-- Same: SELECT count(*) FROM book

-- Feature: defaults of extensions
CREATE TABLE token (id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), hash text DEFAULT encode(digest('x', 'sha256'), 'hex'), n int[]);
INSERT INTO token (n) SELECT ARRAY[n, 2] FROM generate_series(1, 60) n;
CREATE INDEX ON token USING gin (n gin__int_ops);
-- True: SELECT count(DISTINCT id) = 60 FROM token

-- Feature: cubes of persons
-- Map: public.person role subject
CREATE TABLE person (id int PRIMARY KEY, c cube NOT NULL, s seg NOT NULL);
INSERT INTO person SELECT n, cube(ARRAY[n, n + 1]), (n || ' .. ' || n + 2)::seg FROM generate_series(1, 90) n;
-- True: SELECT bool_and(cube_dim(c) = 2) AND count(*) = 90 FROM person
