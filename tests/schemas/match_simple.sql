-- Composite references of which some columns only are null: they came out null as a whole.

-- Feature: parts of a reference that are null
CREATE TABLE grid (x int, y int, PRIMARY KEY (x, y));
CREATE TABLE simple (id int PRIMARY KEY, x int, y int, FOREIGN KEY (x, y) REFERENCES grid);
INSERT INTO grid SELECT x, y FROM generate_series(1, 8) x, generate_series(1, 8) y;
INSERT INTO simple SELECT n, CASE WHEN n % 5 = 0 THEN NULL ELSE 1 + n % 8 END, CASE WHEN n % 4 = 0 THEN NULL ELSE 1 + n % 7 END
  FROM generate_series(1, 100) n;
-- True: SELECT count(*) FILTER (WHERE x IS NULL AND y IS NOT NULL) > 0 FROM simple
-- True: SELECT count(*) FILTER (WHERE x IS NOT NULL AND y IS NULL) BETWEEN 10 AND 35 FROM simple

-- Feature: a unique rule over one column of a reference that is null as a whole or not at all
CREATE TABLE coupled (
  id int PRIMARY KEY, x int, y int, z int,
  FOREIGN KEY (x, y) REFERENCES grid, CHECK ((x IS NULL) = (y IS NULL)), UNIQUE (x, z)
);
INSERT INTO coupled SELECT n, CASE WHEN n % 4 > 0 THEN 1 + n % 8 END, CASE WHEN n % 4 > 0 THEN 1 + n % 7 END, n / 8
  FROM generate_series(1, 60) n;
-- True: SELECT count(*) FILTER (WHERE x IS NULL) BETWEEN 5 AND 25 FROM coupled
