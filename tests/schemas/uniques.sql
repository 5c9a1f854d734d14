-- Unique rules of every shape, and checks: all of them hold in the replica, since the server says so.

-- Feature: composite
CREATE TABLE seat (id int PRIMARY KEY, line char(1), number int, hall text, UNIQUE (hall, line, number));
INSERT INTO seat SELECT n, chr(65 + n % 6), n / 6 % 8, 'hall ' || n / 48 FROM generate_series(0, 95) n;
-- Same: SELECT count(*), count(DISTINCT (hall, line, number)) FROM seat

-- Feature: partial, one per key
CREATE TABLE membership (id int PRIMARY KEY, org int NOT NULL, role text NOT NULL, ended date);
INSERT INTO membership SELECT n, n % 20, CASE WHEN n < 20 THEN 'owner' ELSE 'member' END, CASE WHEN n % 4 = 0 THEN date '2024-01-01' + n END
  FROM generate_series(0, 119) n;
CREATE UNIQUE INDEX one_owner ON membership (org) WHERE role = 'owner';
-- True: SELECT count(*) FILTER (WHERE role = 'owner') BETWEEN 8 AND 20 AND count(*) = 120 FROM membership

-- Feature: partial, where something is null
CREATE TABLE slug (id int PRIMARY KEY, slug text NOT NULL, deleted_at timestamptz);
INSERT INTO slug SELECT n, 'slug-' || n, CASE WHEN n % 3 = 0 THEN timestamptz '2024-01-01 UTC' + n * interval '1 day' END
  FROM generate_series(1, 90) n;
CREATE UNIQUE INDEX ON slug (slug) WHERE deleted_at IS NULL;
-- Same: SELECT count(*) FROM slug

-- Feature: expressions
CREATE TABLE mail (id int PRIMARY KEY, email text NOT NULL, name text, day timestamp NOT NULL);
INSERT INTO mail SELECT n, 'User' || n || '@Example.org', 'Name ' || n, timestamp '2024-01-01' + n * interval '1 day 3 hours'
  FROM generate_series(1, 90) n;
CREATE UNIQUE INDEX ON mail (lower(email));
CREATE UNIQUE INDEX ON mail (lower(trim(name)), (id % 7));
-- Same: SELECT count(*), count(DISTINCT lower(email)) FROM mail

-- Feature: nulls not distinct
CREATE TABLE known (id int PRIMARY KEY, a int, b text, c int UNIQUE NULLS NOT DISTINCT, UNIQUE NULLS NOT DISTINCT (a, b));
INSERT INTO known SELECT n, nullif(n / 9, 4), nullif('b' || n % 9, 'b3'), nullif(n, 5) FROM generate_series(0, 80) n;
-- True: SELECT count(*) = 81 AND count(*) FILTER (WHERE c IS NULL) <= 1 FROM known

-- Feature: nulls are distinct otherwise
CREATE TABLE unknown (id int PRIMARY KEY, a int, b int, UNIQUE (a, b));
INSERT INTO unknown SELECT n, nullif(n % 10, 0), nullif(n / 10, 0) FROM generate_series(0, 89) n;
-- True: SELECT count(*) FILTER (WHERE a IS NULL) > 1 FROM unknown

-- Feature: under a collation that ignores case
-- Needs: feature icu
CREATE COLLATION ignoring (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE folded (id int PRIMARY KEY, name text COLLATE ignoring UNIQUE NOT NULL);
INSERT INTO folded SELECT n, 'Word' || chr(64 + n % 26) || n FROM generate_series(1, 80) n;
CREATE TABLE folded_few (id int PRIMARY KEY, name text COLLATE ignoring NOT NULL, n int NOT NULL, UNIQUE (name, n));
INSERT INTO folded_few SELECT n, (ARRAY['Red', 'green', 'BLUE', 'Cyan'])[1 + n % 4], n / 4 FROM generate_series(1, 80) n;
-- Same: SELECT count(*), count(DISTINCT name) FROM folded

-- Feature: containing references
CREATE TABLE shop (id int PRIMARY KEY, name text UNIQUE);
CREATE TABLE product (id int PRIMARY KEY, shop int NOT NULL REFERENCES shop, sku text NOT NULL, brand int REFERENCES shop,
    UNIQUE (shop, sku), UNIQUE (shop, brand));
INSERT INTO shop SELECT n, 'shop ' || n FROM generate_series(1, 30) n;
INSERT INTO product SELECT n, 1 + n % 30, 'S' || n / 30, 1 + (n % 30 + n / 30) % 30 FROM generate_series(0, 119) n;
-- Same: SELECT count(*), count(DISTINCT (shop, sku)) FROM product

-- Feature: deferrable
CREATE TABLE place (id int PRIMARY KEY, place int UNIQUE DEFERRABLE INITIALLY DEFERRED, grp text, n int, UNIQUE (grp, n) DEFERRABLE);
INSERT INTO place SELECT n, 100 - n, 'g' || n % 3, n / 3 FROM generate_series(1, 90) n;
-- Same: SELECT count(DISTINCT place) FROM place

-- Feature: of booleans, enums and dates
CREATE TYPE size AS ENUM ('s', 'm', 'l', 'xl');
CREATE TABLE variant (size size, gift bool, day date, PRIMARY KEY (size, gift, day));
INSERT INTO variant SELECT s, g, date '2024-01-01' + d FROM unnest(enum_range(NULL::size)) s, unnest(ARRAY[true, false]) g, generate_series(0, 9) d;
-- Same: SELECT count(*), count(DISTINCT (size, gift, day)) FROM variant

-- Feature: of networks and bits
CREATE TABLE odd_keys (id int PRIMARY KEY, ip inet UNIQUE, b bit(8) UNIQUE, mac macaddr UNIQUE, net cidr UNIQUE);
INSERT INTO odd_keys SELECT n, ('10.0.0.' || n)::inet, n::bit(8), ('08:00:2b:01:02:' || lpad(to_hex(n), 2, '0'))::macaddr,
    ('10.' || n || '.0.0/16')::cidr FROM generate_series(1, 60) n;
-- Same: SELECT count(*) FROM odd_keys

-- Feature: of bits of several lengths, positions in a log, and arrays of labels
CREATE TABLE odder_keys (id int PRIMARY KEY, b bit(4), v varbit(12) UNIQUE, at pg_lsn UNIQUE NOT NULL, sizes size[] UNIQUE, UNIQUE (b));
INSERT INTO odder_keys SELECT n, CASE WHEN n < 14 THEN n::bit(4) END, substr(n::bit(9)::text, 1 + n % 3)::varbit,
    ('0/' || upper(to_hex(n * 16)))::pg_lsn,
    (SELECT array_agg(e ORDER BY i) FROM unnest(enum_range(NULL::size)) WITH ORDINALITY AS u(e, i) WHERE n >> (i - 1)::int & 1 = 1)
  FROM generate_series(0, 15) n;
-- Same: SELECT count(*), count(DISTINCT at) FROM odder_keys

-- Feature: including columns
CREATE TABLE covering (id int PRIMARY KEY, code text NOT NULL, v int, body text);
INSERT INTO covering SELECT n, 'C' || lpad(n::text, 4, '0'), n, repeat('text ' || n || ' ', 20) FROM generate_series(1, 60) n;
CREATE UNIQUE INDEX ON covering (code) INCLUDE (v);
-- Same: SELECT count(*), count(DISTINCT code) FROM covering

-- Feature: not null written as a check
CREATE TABLE as_check (id int PRIMARY KEY, a int, b text, c text, CONSTRAINT a_known CHECK (a IS NOT NULL),
    CONSTRAINT b_known CHECK (b IS NOT NULL AND length(b) <= 10));
INSERT INTO as_check SELECT n, n % 5, 'b' || n, nullif('c' || n % 4, 'c0') FROM generate_series(1, 80) n;
-- True: SELECT count(a) = 80 AND count(b) = 80 AND count(c) BETWEEN 40 AND 75 FROM as_check

-- Feature: not null that was promised without proof
-- Needs: server 18
CREATE TABLE promised (id int PRIMARY KEY, v int);
INSERT INTO promised SELECT n, nullif(n % 5, 0) FROM generate_series(1, 60) n;
ALTER TABLE promised ADD CONSTRAINT v_known NOT NULL v NOT VALID;
-- Same: SELECT conname, convalidated FROM pg_constraint WHERE conname = 'v_known'
-- Same: SELECT count(*) FROM promised

-- Feature: checks of every common form
CREATE TABLE checked (id int PRIMARY KEY, low int, high int, kind text, reason text, share float8, code text, start date, stop date,
    json jsonb, n numeric(6, 2),
    CHECK (low < high), CHECK (kind IN ('a', 'b', 'other')), CHECK (kind <> 'other' OR reason IS NOT NULL),
    CHECK (share BETWEEN 0 AND 1), CHECK (code ~ '^[A-Z]{2}[0-9]+$'), CHECK (char_length(code) <= 8), CHECK (stop >= start),
    CHECK (num_nonnulls(low, reason) >= 1), CHECK (n >= 0 AND n % 1 = 0), CHECK ((start IS NULL) = (stop IS NULL)));
INSERT INTO checked SELECT n, n, n + 1 + n % 4, (ARRAY['a', 'b', 'other'])[1 + n % 3], 'r' || n % 3, n / 90.0, 'AB' || n,
    CASE WHEN n % 5 > 0 THEN date '2024-01-01' + n END, CASE WHEN n % 5 > 0 THEN date '2024-01-01' + n + n % 9 END,
    jsonb_build_object('a', n), n FROM generate_series(1, 90) n;
-- True: SELECT count(*) = 90 AND count(DISTINCT kind) = 3 AND count(start) BETWEEN 50 AND 85 FROM checked

-- Feature: checks that are not inherited
CREATE TABLE strict (id int PRIMARY KEY, v int CHECK (v > 0) NO INHERIT);
CREATE TABLE lax () INHERITS (strict);
INSERT INTO strict SELECT n, n FROM generate_series(1, 50) n;
INSERT INTO lax SELECT n, -n FROM generate_series(1, 50) n;
-- True: SELECT (SELECT min(v) FROM ONLY strict) > 0 AND (SELECT max(v) FROM lax) < 1
