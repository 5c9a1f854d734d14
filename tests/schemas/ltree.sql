-- Paths of labels.
-- Needs: extension ltree

CREATE EXTENSION ltree;

-- Feature: paths
CREATE TABLE category (id int PRIMARY KEY, path ltree NOT NULL, query lquery, many ltree[]);
INSERT INTO category SELECT n, ('Top.' || (ARRAY['Science', 'Arts'])[1 + n % 2] || '.n' || n % 9)::ltree, '*.Science.*', ARRAY['a.b', 'c']::ltree[]
  FROM generate_series(1, 90) n;
CREATE INDEX ON category USING gist (path);
-- True: SELECT bool_and(path <@ 'Top') AND bool_and(nlevel(path) = 3) AND count(DISTINCT path) > 5 FROM category

-- Feature: unique paths
CREATE TABLE node (path ltree PRIMARY KEY, name text);
INSERT INTO node SELECT ('root.b' || n % 6 || '.c' || n)::ltree, 'n' || n % 3 FROM generate_series(1, 80) n;
-- True: SELECT count(*) = 80 AND bool_and(path <@ 'root') FROM node

-- Feature: paths of persons
-- Map: public.person role subject
CREATE TABLE person (id int PRIMARY KEY, place ltree NOT NULL);
INSERT INTO person SELECT n, ('org.dept' || n % 5 || '.p' || n)::ltree FROM generate_series(1, 120) n;
-- True: SELECT bool_and(place <@ 'org') FROM person
