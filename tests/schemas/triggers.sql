-- Triggers do not fire while a replica is loaded, unless the schema map says so.

-- Feature: triggers of every kind stay silent, and stay
CREATE TABLE silent (id int PRIMARY KEY, v int NOT NULL);
INSERT INTO silent SELECT n, n % 4 FROM generate_series(1, 60) n;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'fired'; END$$;
CREATE TRIGGER before_row BEFORE INSERT OR UPDATE OR DELETE ON silent FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE TRIGGER after_statement AFTER INSERT OR TRUNCATE ON silent FOR EACH STATEMENT EXECUTE FUNCTION refuse();
CREATE TRIGGER always BEFORE INSERT ON silent FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE TRIGGER replica_only BEFORE INSERT ON silent FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE TRIGGER sleeping BEFORE INSERT ON silent FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE CONSTRAINT TRIGGER at_the_end AFTER INSERT ON silent DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse();
ALTER TABLE silent ENABLE ALWAYS TRIGGER always, ENABLE REPLICA TRIGGER replica_only, DISABLE TRIGGER sleeping;
-- True: SELECT count(*) = 60 FROM silent
-- Same: SELECT tgname, tgenabled, tgdeferrable, tginitdeferred FROM pg_trigger WHERE tgrelid = 'silent'::regclass ORDER BY 1

-- Feature: triggers that overwrite keys leave them alone
CREATE TABLE overwritten (id int PRIMARY KEY, v int);
CREATE SEQUENCE overwriting START 1000000;
INSERT INTO overwritten SELECT n, n % 4 FROM generate_series(1, 50) n;
CREATE FUNCTION overwrite() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.id := nextval('public.overwriting'); RETURN NEW; END$$;
CREATE TRIGGER overwrite BEFORE INSERT ON overwritten FOR EACH ROW EXECUTE FUNCTION overwrite();
CREATE TABLE overwritten_child (id int PRIMARY KEY, parent int NOT NULL REFERENCES overwritten);
INSERT INTO overwritten_child SELECT n, 1 + n % 50 FROM generate_series(1, 60) n;
-- True: SELECT max(id) <= 1000 FROM overwritten

-- Feature: triggers see the rows updated where the map says statement
-- Map: public.stated triggers statement
CREATE TABLE stated (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text NOT NULL, body text, words tsvector, seen int NOT NULL DEFAULT 0,
    twice int GENERATED ALWAYS AS (seen * 2) STORED);
INSERT INTO stated (title, body) SELECT 'title ' || n % 9, 'green houses ' || n FROM generate_series(1, 80) n;
CREATE FUNCTION refreshed() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
    NEW.words := to_tsvector('english', NEW.title) || to_tsvector('english', coalesce(NEW.body, '')); NEW.seen := 1; RETURN NEW; END$$;
CREATE TRIGGER refreshed BEFORE INSERT OR UPDATE OF title, body ON stated FOR EACH ROW EXECUTE FUNCTION refreshed();
-- True: SELECT bool_and(words = to_tsvector('english', title) || to_tsvector('english', coalesce(body, ''))) AND bool_and(seen = 1) FROM stated
-- True: SELECT bool_and(twice = 2) AND count(*) = 80 FROM stated

-- Feature: triggers see the rows come where the map says fire
-- Map: public.comment triggers fire
-- Map: public.post columns.comments 0
-- Map: public.trail role skip
CREATE TABLE post (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text, comments int NOT NULL DEFAULT 0);
CREATE TABLE comment (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, post int NOT NULL REFERENCES post, line text);
CREATE TABLE trail (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text NOT NULL);
CREATE FUNCTION counted() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
    UPDATE post SET comments = comments + 1 WHERE id = NEW.post; INSERT INTO trail (what) VALUES (TG_OP || ' ' || NEW.id); RETURN NULL; END$$;
CREATE CONSTRAINT TRIGGER counted_late AFTER INSERT ON comment DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION counted();
INSERT INTO post (title) SELECT 'post ' || n FROM generate_series(1, 40) n;
INSERT INTO comment (post, line) SELECT 1 + n % 37, 'line ' || n FROM generate_series(1, 150) n;
-- True: SELECT bool_and(comments = (SELECT count(*) FROM comment c WHERE c.post = p.id)) AND sum(comments) = 150 FROM post p
-- True: SELECT count(*) = 150 FROM trail
