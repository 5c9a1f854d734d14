-- Names that trip up whoever quotes by hand, one name in several schemas, and a search path that is not the usual one.

-- Feature: mixed case, reserved words, quotes, spaces
CREATE SCHEMA "S'""chema";
CREATE TABLE "S'""chema"."table" ("select" int PRIMARY KEY, "Mixed Case" text, "a""b" date, "c'd" int, "100%" int, "e\f" int);
CREATE TABLE "S'""chema"."Order" ("from" int PRIMARY KEY, "user" int NOT NULL REFERENCES "S'""chema"."table" ("select"),
    "order" numeric GENERATED ALWAYS AS ("from" * 2) STORED, CONSTRAINT "Check It!" CHECK ("from" > 0));
INSERT INTO "S'""chema"."table" SELECT n, 'x' || n % 3, date '2024-01-01' + n, n % 5, n % 7, n FROM generate_series(1, 60) n;
INSERT INTO "S'""chema"."Order" SELECT n, 1 + n % 60 FROM generate_series(1, 90) n;
CREATE UNIQUE INDEX "un'ique ""index""" ON "S'""chema"."table" ("Mixed Case", "select") WHERE "a""b" IS NOT NULL;
-- Same: SELECT count(*), count("user") FROM "S'""chema"."Order"
-- True: SELECT count(DISTINCT "Mixed Case") = 3 FROM "S'""chema"."table"

-- Feature: sixty-three bytes
CREATE TABLE "x23456789012345678901234567890123456789012345678901234567890123" (
    "y23456789012345678901234567890123456789012345678901234567890123" serial PRIMARY KEY, "z" int);
INSERT INTO "x23456789012345678901234567890123456789012345678901234567890123" ("z") SELECT n % 4 FROM generate_series(1, 50) n;
CREATE TABLE "ééééééééééééééééééééééééééééééé" ("ñññññññññññññññññññññññññññññññ" int PRIMARY KEY);
INSERT INTO "ééééééééééééééééééééééééééééééé" SELECT generate_series(1, 45);
-- Same: SELECT count(*) FROM "x23456789012345678901234567890123456789012345678901234567890123"
-- Same: SELECT count(*) FROM "ééééééééééééééééééééééééééééééé"

-- Feature: line breaks, tabs and other alphabets
CREATE TABLE "two
lines" ("a
b" int PRIMARY KEY, "tab	ulator" text, "ключ" int, "日本" text, "😀" int, " "" " int);
INSERT INTO "two
lines" SELECT n, 't' || n % 3, n, 'j' || n % 2, n % 9, n FROM generate_series(1, 55) n;
COMMENT ON TABLE "two
lines" IS 'on two';
CREATE INDEX "in
dex" ON "two
lines" ("ключ");
-- Same: SELECT count(*), count("日本"), count(" "" ") FROM
--     U&"two\000Alines"

-- Feature: dots, dashes, dollars and percent signs
CREATE TABLE "a.b" ("c.d" int PRIMARY KEY, "e-f" text, "$g" int, "%s" int, "{x}" int, "1st" int, "--" int, ";" int, "?" int, ":n" int);
INSERT INTO "a.b" SELECT n, 'e' || n % 3, n, n, n, n, n, n, n, n FROM generate_series(1, 50) n;
-- Same: SELECT count(*), count("--"), count("%s"), count(":n") FROM "a.b"

-- Feature: columns named as the program's own and as system words
CREATE TABLE program (row_number int PRIMARY KEY, "count" int, value text, "table" text, " " text, "index" int, t int, c0 int,
    "user" text, "current_user" text, "references" int);
INSERT INTO program SELECT n, n % 5, 'v' || n % 3, 't', 'e', n, n % 2, n, 'u', 'c', n FROM generate_series(1, 50) n;
-- Same: SELECT count(*), count("count"), count("current_user") FROM program

-- Feature: one name in several schemas
CREATE SCHEMA one;
CREATE SCHEMA two;
CREATE TABLE one.item (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text);
CREATE TABLE two.item (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text, one int NOT NULL REFERENCES one.item);
CREATE TABLE public.item (id int PRIMARY KEY, two int REFERENCES two.item);
CREATE TYPE one.state AS ENUM ('a', 'b');
CREATE TYPE two.state AS ENUM ('x', 'y');
ALTER TABLE one.item ADD COLUMN s one.state;
ALTER TABLE two.item ADD COLUMN s two.state;
INSERT INTO one.item (v, s) SELECT 'one' || n % 3, 'a' FROM generate_series(1, 41) n;
INSERT INTO two.item (v, one, s) SELECT 'two' || n % 3, 1 + n % 41, 'y' FROM generate_series(1, 52) n;
INSERT INTO public.item SELECT n, 1 + n % 52 FROM generate_series(1, 63) n;
-- Same: SELECT (SELECT count(*) FROM one.item), (SELECT count(*) FROM two.item), (SELECT count(*) FROM public.item)
-- True: SELECT bool_and(v LIKE 'one%' AND s = 'a') FROM one.item

-- Feature: a search path that is not the usual one
DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = two, one, public', current_database()); END$$;
CREATE FUNCTION one.only_here(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower($1)';
CREATE TABLE one.found (id int PRIMARY KEY, name text NOT NULL DEFAULT one.only_here('X'), s one.state);
CREATE UNIQUE INDEX ON one.found (one.only_here(name));
INSERT INTO one.found SELECT n, 'Name' || n, 'b' FROM generate_series(1, 60) n;
-- Same: SELECT count(*), count(DISTINCT one.only_here(name)) FROM one.found

-- Feature: the comment and the settings of the database itself
DO $$BEGIN
  EXECUTE format('COMMENT ON DATABASE %I IS %L', current_database(), 'it''s "ours"');
  EXECUTE format('ALTER DATABASE %I SET my.app = %L', current_database(), 'x ''y''');
  EXECUTE format('ALTER DATABASE %I SET work_mem = %L', current_database(), '9MB');
END$$;
CREATE TABLE one.told (id int PRIMARY KEY);
-- Same: SELECT shobj_description(oid, 'pg_database'), (SELECT setconfig FROM pg_db_role_setting
--   WHERE setdatabase = oid AND setrole = 0) FROM pg_database WHERE datname = current_database()

-- Feature: functions that find others by the search path only
CREATE FUNCTION one.outer_one(text) RETURNS text LANGUAGE plpgsql IMMUTABLE SET search_path = one AS
    $$BEGIN RETURN only_here($1); END$$;
CREATE TABLE two.indexed (id int PRIMARY KEY, name text NOT NULL CHECK (one.outer_one(name) <> ''));
CREATE INDEX ON two.indexed (one.outer_one(name));
INSERT INTO two.indexed SELECT n, 'Name' || n % 7 FROM generate_series(1, 50) n;
-- Same: SELECT count(*) FROM two.indexed
