-- Trigram indexes, and functions of extensions in indexes.
-- Needs: extension pg_trgm
-- Needs: extension unaccent

CREATE EXTENSION pg_trgm;
CREATE EXTENSION unaccent;

-- Feature: trigram indexes
CREATE TABLE song (id int PRIMARY KEY, title text NOT NULL, artist text);
INSERT INTO song SELECT n, 'Song about ' || (ARRAY['rain', 'sun', 'snow'])[1 + n % 3] || ' ' || n, 'Ärtist ' || n % 8 FROM generate_series(1, 80) n;
CREATE INDEX ON song USING gin (title gin_trgm_ops);
CREATE INDEX ON song USING gist (artist gist_trgm_ops(siglen = 32));
-- Same: SELECT count(*) FROM song

-- Feature: an index over a function of an extension
CREATE FUNCTION plain(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT public.unaccent('public.unaccent', $1)$$;
CREATE TABLE place (id int PRIMARY KEY, name text NOT NULL, folded text GENERATED ALWAYS AS (lower(public.plain(name))) STORED);
INSERT INTO place (id, name) SELECT n, 'Zürich ' || n % 20 FROM generate_series(1, 60) n;
CREATE INDEX ON place (public.plain(name));
-- True: SELECT bool_and(folded = lower(public.plain(name))) FROM place
