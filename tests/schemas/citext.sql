-- Text that ignores case, and keys of it.
-- Needs: extension citext

CREATE SCHEMA ext;
CREATE EXTENSION citext SCHEMA ext;

-- Feature: unique citext
CREATE TABLE account (id int PRIMARY KEY, email ext.citext NOT NULL UNIQUE, nick ext.citext);
INSERT INTO account SELECT n, 'User' || n || '@Example.org', 'Nick' || n % 7 FROM generate_series(1, 90) n;
-- Same: SELECT count(*), count(DISTINCT lower(email::text)) FROM account

-- Feature: citext as a key that others point to, in composite keys and arrays
CREATE TABLE tag (name ext.citext PRIMARY KEY, about text);
CREATE TABLE tagged (id int, tag ext.citext REFERENCES tag, more ext.citext[], PRIMARY KEY (id, tag));
INSERT INTO tag SELECT 'Tag-' || chr(64 + n) || n, 'about' FROM generate_series(1, 26) n;
INSERT INTO tagged SELECT n / 2, 'Tag-' || chr(65 + (n * 7) % 26) || 1 + (n * 7) % 26, ARRAY['a', 'B']::ext.citext[] FROM generate_series(1, 100) n;
-- True: SELECT count(*) = 100 FROM tagged JOIN tag ON tag.name OPERATOR(ext.=) tagged.tag

-- Feature: few values that differ by case only
CREATE TABLE colour (id int PRIMARY KEY, name ext.citext NOT NULL, n int NOT NULL, UNIQUE (name, n));
INSERT INTO colour SELECT n, (ARRAY['Red', 'red', 'GREEN', 'Blue'])[1 + n % 4]::ext.citext, n FROM generate_series(1, 80) n;
-- Same: SELECT count(*), count(DISTINCT (lower(name::text), n)) FROM colour

-- Feature: domains over citext, and checks
CREATE DOMAIN email AS ext.citext CHECK (VALUE OPERATOR(ext.~) '^[^@]+@[^@]+$');
CREATE TABLE contact (id int PRIMARY KEY, email email NOT NULL);
INSERT INTO contact SELECT n, 'Who' || n || '@Example.org' FROM generate_series(1, 60) n;
CREATE UNIQUE INDEX ON contact (email);
-- Same: SELECT count(*), count(DISTINCT lower(email::text)) FROM contact
