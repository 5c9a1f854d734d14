-- Exclusion constraints: no two rows may overlap.

-- Feature: periods that do not overlap
CREATE TABLE booking (id int PRIMARY KEY, during tsrange NOT NULL, EXCLUDE USING gist (during WITH &&));
INSERT INTO booking SELECT n, tsrange(timestamp '2024-01-01' + n * interval '1 day', timestamp '2024-01-01' + n * interval '1 day' + interval '20 hours')
  FROM generate_series(1, 60) n;
-- Same: SELECT count(*) FROM booking
