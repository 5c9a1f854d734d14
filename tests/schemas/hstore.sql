-- Keys and values in one column.
-- Needs: extension hstore

CREATE EXTENSION hstore;

-- Feature: hstore keeps its keys
CREATE TABLE product (id int PRIMARY KEY, attributes hstore NOT NULL, more hstore);
INSERT INTO product SELECT n, hstore(ARRAY['colour', (ARRAY['red', 'green'])[1 + n % 2], 'size', (n % 30)::text, 'odd "key"', 'a=>b, "c"']),
    CASE WHEN n % 4 = 0 THEN hstore('empty', NULL) WHEN n % 4 = 1 THEN '' END FROM generate_series(1, 90) n;
CREATE INDEX ON product USING gin (attributes);
-- True: SELECT bool_and(attributes ?& ARRAY['colour', 'size', 'odd "key"']) AND count(DISTINCT attributes -> 'size') > 10 FROM product
-- True: SELECT bool_and(attributes -> 'colour' IN ('red', 'green')) FROM product
-- True: SELECT count(*) FILTER (WHERE more IS NULL) > 20 AND count(*) FILTER (WHERE more ? 'empty' AND more -> 'empty' IS NULL) > 5 FROM product

-- Feature: hstore of persons
-- Map: public.person role subject
CREATE TABLE person (id int PRIMARY KEY, attributes hstore NOT NULL);
INSERT INTO person SELECT n, hstore(ARRAY['height', (150 + n % 50)::text, 'note', 'private ' || n]) FROM generate_series(1, 120) n;
-- True: SELECT bool_and(attributes ? 'height') AND count(DISTINCT attributes -> 'height') > 5 FROM person
