-- Vectors keep their dimension.
-- Needs: extension vector

CREATE EXTENSION vector;

-- Feature: vectors of a fixed dimension
CREATE TABLE item (id int PRIMARY KEY, v vector(4) NOT NULL, loose vector, h halfvec(3), s sparsevec(5));
INSERT INTO item SELECT n, ('[' || n || ',' || n / 2.0 || ',0.5,-1]')::vector, '[1,2]', '[1,2,3]', '{1:1,3:2}/5' FROM generate_series(1, 90) n;
CREATE INDEX ON item USING hnsw (v vector_l2_ops);
-- True: SELECT bool_and(vector_dims(v) = 4) AND count(DISTINCT v::text) > 20 FROM item

-- Feature: vectors of persons
-- Map: public.person role subject
CREATE TABLE person (id int PRIMARY KEY, face vector(8) NOT NULL, h halfvec(3) NOT NULL, s sparsevec(5) NOT NULL);
INSERT INTO person SELECT n, array_fill(n / 7.0, ARRAY[8])::vector, ('[1,2,' || n || ']')::halfvec, ('{1:' || n || ',3:2}/5')::sparsevec FROM generate_series(1, 90) n;
-- True: SELECT bool_and(vector_dims(face) = 8) AND count(*) = 90 FROM person
