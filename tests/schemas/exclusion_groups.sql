-- Exclusion constraints with groups: periods of one room may not overlap.
-- Needs: extension btree_gist

CREATE EXTENSION btree_gist;

-- Feature: periods of one group do not overlap
CREATE TABLE booking (id int PRIMARY KEY, room int NOT NULL, during tsrange NOT NULL, EXCLUDE USING gist (room WITH =, during WITH &&));
INSERT INTO booking SELECT n, n % 5, tsrange(timestamp '2024-01-01' + n * interval '5 hours', timestamp '2024-01-01' + n * interval '5 hours' + interval '24 hours')
  FROM generate_series(1, 90) n;
-- Same: SELECT count(*) FROM booking
