-- Checks that call functions of the schema: rows broke them, and the loading stopped.

-- Feature: checks of functions, and of the time of day
CREATE FUNCTION is_even(int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 % 2 = 0';
CREATE TABLE by_function (id int PRIMARY KEY, v int CHECK (is_even(v)), born date CHECK (born < now()));
INSERT INTO by_function SELECT n, n * 2, date '2000-01-01' + n FROM generate_series(1, 80) n;
-- True: SELECT bool_and(v % 2 = 0) AND count(*) = 80 FROM by_function

