-- Partitions that leave gaps: a row was made for which there is no partition, and the loading stopped.

-- Feature: no row falls into a gap between partitions
CREATE TABLE season (id int, day date NOT NULL, v int) PARTITION BY RANGE (day);
CREATE TABLE season_2020 PARTITION OF season FOR VALUES FROM ('2020-06-01') TO ('2020-09-01');
CREATE TABLE season_2022 PARTITION OF season FOR VALUES FROM ('2022-06-01') TO ('2022-09-01');
CREATE TABLE season_2024 PARTITION OF season FOR VALUES FROM ('2024-06-01') TO ('2024-09-01');
INSERT INTO season SELECT n, make_date(2020 + 2 * (n % 3), 6, 1) + (n * 7) % 90, n % 5 FROM generate_series(1, 150) n;
-- True: SELECT count(*) = 150 FROM season

-- Feature: no number falls between listed ones
CREATE TABLE grade (id int, level int NOT NULL, v text) PARTITION BY LIST (level);
CREATE TABLE grade_low PARTITION OF grade FOR VALUES IN (10, 20);
CREATE TABLE grade_high PARTITION OF grade FOR VALUES IN (100, 5000);
INSERT INTO grade SELECT n, (ARRAY[10, 20, 100, 5000])[1 + n % 4], 'v' || n % 3 FROM generate_series(1, 120) n;
-- True: SELECT count(*) = 120 AND (SELECT count(*) FROM grade_high) > 0 FROM grade

-- Feature: several columns, and an expression
CREATE TABLE month (id int, y int NOT NULL, m int NOT NULL) PARTITION BY RANGE (y, m);
CREATE TABLE month_a PARTITION OF month FOR VALUES FROM (2020, 1) TO (2020, 7);
CREATE TABLE month_b PARTITION OF month FOR VALUES FROM (2023, 3) TO (2024, 2);
INSERT INTO month SELECT n, 2020, 1 + n % 6 FROM generate_series(1, 60) n;
INSERT INTO month SELECT n, 2023, 3 + n % 9 FROM generate_series(1, 60) n;
CREATE TABLE yearly (id int, at timestamp NOT NULL) PARTITION BY LIST (extract(year FROM at));
CREATE TABLE yearly_2020 PARTITION OF yearly FOR VALUES IN (2020);
CREATE TABLE yearly_2023 PARTITION OF yearly FOR VALUES IN (2023);
INSERT INTO yearly SELECT n, make_timestamp(2020 + 3 * (n % 2), 1 + n % 12, 1, 0, 0, 0) FROM generate_series(1, 90) n;
-- True: SELECT (SELECT count(*) FROM month_a) > 0 AND (SELECT count(*) FROM month_b) > 0 AND (SELECT count(*) FROM month) = 120
-- True: SELECT (SELECT count(*) FROM yearly_2020) > 0 AND (SELECT count(*) FROM yearly_2023) > 0 AND (SELECT count(*) FROM yearly) = 90
