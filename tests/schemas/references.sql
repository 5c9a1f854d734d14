-- References of every shape. What the server validates must be valid; what it does not stays as it is.

-- Feature: composite references, in another order than the key
CREATE TABLE city (country char(2), name text, code int, PRIMARY KEY (country, name), UNIQUE (code, country));
CREATE TABLE street (id int PRIMARY KEY, city text, land char(2), c int, l char(2),
    FOREIGN KEY (land, city) REFERENCES city, FOREIGN KEY (c, l) REFERENCES city (code, country));
INSERT INTO city SELECT (ARRAY['de', 'fr', 'es'])[1 + n % 3], 'city ' || n, n FROM generate_series(1, 50) n;
INSERT INTO street SELECT n, name, country, code, country FROM generate_series(1, 120) n JOIN city ON code = 1 + n % 50;
-- True: SELECT count(*) = 120 FROM street JOIN city ON (country, name) = (land, city)

-- Feature: overlapping composite references that share a tenant
CREATE TABLE tenant (tenant_id int PRIMARY KEY, name text);
CREATE TABLE member (tenant_id int REFERENCES tenant, id int, PRIMARY KEY (tenant_id, id));
CREATE TABLE project (tenant_id int REFERENCES tenant, id int, PRIMARY KEY (tenant_id, id));
CREATE TABLE task (tenant_id int NOT NULL, id int, project_id int NOT NULL, member_id int,
    PRIMARY KEY (tenant_id, id), FOREIGN KEY (tenant_id, project_id) REFERENCES project,
    FOREIGN KEY (tenant_id, member_id) REFERENCES member);
INSERT INTO tenant SELECT n, 't' || n FROM generate_series(1, 6) n;
INSERT INTO member SELECT t, m FROM generate_series(1, 6) t, generate_series(1, 9) m;
INSERT INTO project SELECT t, p FROM generate_series(1, 6) t, generate_series(1, 4) p;
INSERT INTO task SELECT 1 + n % 6, n, 1 + n % 4, nullif(n % 10, 0) FROM generate_series(1, 150) n;
-- True: SELECT count(DISTINCT tenant_id) = 6 AND abs(avg((member_id IS NULL)::int) - 0.1) < 0.1 FROM task

-- Feature: references to unique columns that are no primary keys
CREATE TABLE account (id int PRIMARY KEY, email text NOT NULL UNIQUE, number bigint UNIQUE);
CREATE TABLE login (id int PRIMARY KEY, email text REFERENCES account (email) ON UPDATE CASCADE, number bigint REFERENCES account (number));
INSERT INTO account SELECT n, 'u' || n || '@example.org', n * 7 FROM generate_series(1, 60) n;
INSERT INTO login SELECT n, 'u' || 1 + n % 60 || '@example.org', (1 + n % 60) * 7 FROM generate_series(1, 100) n;
-- True: SELECT count(*) = 100 FROM login JOIN account USING (email)

-- Feature: references to a unique index that is no constraint
CREATE TABLE bare (id int, code text NOT NULL);
CREATE UNIQUE INDEX bare_code ON bare (code);
CREATE TABLE bare_child (id int PRIMARY KEY, code text REFERENCES bare (code));
INSERT INTO bare SELECT n, 'C' || lpad(n::text, 3, '0') FROM generate_series(1, 50) n;
INSERT INTO bare_child SELECT n, 'C' || lpad((1 + n % 50)::text, 3, '0') FROM generate_series(1, 80) n;
-- True: SELECT count(*) = 80 FROM bare_child JOIN bare USING (code)

-- Feature: several references to one parent
CREATE TABLE airport (id int PRIMARY KEY, name text);
CREATE TABLE flight (id int PRIMARY KEY, origin int NOT NULL REFERENCES airport, target int NOT NULL REFERENCES airport,
    via int REFERENCES airport, CHECK (origin <> target));
INSERT INTO airport SELECT n, 'a' || n FROM generate_series(1, 40) n;
INSERT INTO flight SELECT n, 1 + n % 40, 1 + (n + 1 + n % 7) % 40, nullif(1 + n % 3, 1) FROM generate_series(1, 120) n;
-- True: SELECT bool_and(origin <> target) AND count(DISTINCT origin) > 20 FROM flight

-- Feature: references to the table itself
CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree ON DELETE CASCADE, name text);
INSERT INTO tree SELECT n, CASE WHEN n > 1 THEN n / 2 END, 'node' || n % 5 FROM generate_series(1, 80) n;
-- True: WITH RECURSIVE walk AS (SELECT id FROM tree WHERE up IS NULL UNION ALL SELECT t.id FROM tree t JOIN walk ON t.up = walk.id)
--     SELECT count(*) = 80 FROM walk

-- Feature: match simple with nulls, match full without
CREATE TABLE grid (x int, y int, PRIMARY KEY (x, y));
CREATE TABLE simple (id int PRIMARY KEY, x int, y int, FOREIGN KEY (x, y) REFERENCES grid);
CREATE TABLE full_match (id int PRIMARY KEY, x int, y int, FOREIGN KEY (x, y) REFERENCES grid MATCH FULL);
INSERT INTO grid SELECT x, y FROM generate_series(1, 8) x, generate_series(1, 8) y;
INSERT INTO simple SELECT n, CASE WHEN n % 5 = 0 THEN NULL ELSE 1 + n % 8 END, CASE WHEN n % 4 = 0 THEN NULL ELSE 1 + n % 7 END
  FROM generate_series(1, 100) n;
INSERT INTO full_match SELECT n, CASE WHEN n % 5 > 0 THEN 1 + n % 8 END, CASE WHEN n % 5 > 0 THEN 1 + n % 7 END FROM generate_series(1, 100) n;
-- True: SELECT bool_and((x IS NULL) = (y IS NULL)) AND count(x) BETWEEN 60 AND 95 FROM full_match
-- True: SELECT count(*) FILTER (WHERE num_nulls(x, y) = 0) > 20 FROM simple

-- Feature: deferrable references and keys
CREATE TABLE later_parent (id int PRIMARY KEY, place int UNIQUE DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE later (id int PRIMARY KEY, parent int NOT NULL REFERENCES later_parent DEFERRABLE INITIALLY DEFERRED,
    other int REFERENCES later_parent DEFERRABLE);
INSERT INTO later_parent SELECT n, 100 - n FROM generate_series(1, 50) n;
INSERT INTO later SELECT n, 1 + n % 50, 1 + n % 50 FROM generate_series(1, 80) n;
-- Same: SELECT conname, condeferrable, condeferred FROM pg_constraint WHERE condeferrable ORDER BY 1

-- Feature: references that are not valid stay so
CREATE TABLE loose_parent (id int PRIMARY KEY);
CREATE TABLE loose (id int PRIMARY KEY, parent int, v int);
INSERT INTO loose_parent SELECT generate_series(1, 50);
INSERT INTO loose SELECT n, n, n FROM generate_series(1, 80) n;
ALTER TABLE loose ADD CONSTRAINT loose_fk FOREIGN KEY (parent) REFERENCES loose_parent NOT VALID,
    ADD CONSTRAINT loose_check CHECK (v > 40) NOT VALID;
-- Same: SELECT conname, convalidated FROM pg_constraint WHERE conname LIKE 'loose_%' ORDER BY 1
-- Same: SELECT count(*) FROM loose

-- Feature: constraints that are not enforced stay so
-- Needs: server 18
CREATE TABLE unforced (id int PRIMARY KEY, parent int CONSTRAINT unforced_fk REFERENCES loose_parent NOT ENFORCED,
    v int CONSTRAINT unforced_check CHECK (v > 40) NOT ENFORCED);
INSERT INTO unforced SELECT n, n, n FROM generate_series(1, 80) n;
-- Same: SELECT conname, convalidated, conenforced FROM pg_constraint WHERE conname LIKE 'unforced_%' ORDER BY 1
-- Same: SELECT count(*) FROM unforced

-- Feature: circles over several tables
CREATE TABLE ring_a (id int PRIMARY KEY, c int);
CREATE TABLE ring_b (id int PRIMARY KEY, a int NOT NULL REFERENCES ring_a);
CREATE TABLE ring_c (id int PRIMARY KEY, b int NOT NULL REFERENCES ring_b);
INSERT INTO ring_a SELECT n, CASE WHEN n % 3 = 0 THEN n END FROM generate_series(1, 40) n;
INSERT INTO ring_b SELECT n, 1 + n % 40 FROM generate_series(1, 60) n;
INSERT INTO ring_c SELECT n, 1 + n % 60 FROM generate_series(1, 70) n;
ALTER TABLE ring_a ADD FOREIGN KEY (c) REFERENCES ring_c;
-- True: SELECT count(c) BETWEEN 5 AND 25 FROM ring_a

-- Feature: circles that are never null
CREATE TABLE must_a (id int PRIMARY KEY, b int NOT NULL);
CREATE TABLE must_b (id int PRIMARY KEY, c int NOT NULL);
CREATE TABLE must_c (id int PRIMARY KEY, a int NOT NULL REFERENCES must_a);
INSERT INTO must_a SELECT n, 1 + n % 50 FROM generate_series(1, 60) n;
INSERT INTO must_b SELECT n, 1 + n % 45 FROM generate_series(1, 50) n;
INSERT INTO must_c SELECT n, 1 + n % 60 FROM generate_series(1, 45) n;
ALTER TABLE must_a ADD FOREIGN KEY (b) REFERENCES must_b;
ALTER TABLE must_b ADD FOREIGN KEY (c) REFERENCES must_c;
-- True: SELECT count(*) = 60 FROM must_a JOIN must_b ON must_b.id = must_a.b JOIN must_c ON must_c.id = must_b.c

-- Feature: a key that is a reference, and a bridge of references
CREATE TABLE base (id int PRIMARY KEY, v int);
CREATE TABLE extra (id int PRIMARY KEY REFERENCES base, more text);
CREATE TABLE label (id int PRIMARY KEY, name text);
CREATE TABLE base_label (base int REFERENCES base, label int REFERENCES label, PRIMARY KEY (base, label));
INSERT INTO base SELECT n, n FROM generate_series(1, 60) n;
INSERT INTO extra SELECT n, 'm' || n % 3 FROM generate_series(1, 40) n;
INSERT INTO label SELECT n, 'l' || n FROM generate_series(1, 10) n;
INSERT INTO base_label SELECT b, 1 + (b + l) % 10 FROM generate_series(1, 60) b, generate_series(1, 3) l WHERE b % 4 >= l;
-- Same: SELECT (SELECT count(*) FROM extra), (SELECT count(*) FROM base_label)

-- Feature: every action on delete and update
CREATE TABLE acts (id int PRIMARY KEY, a int REFERENCES base ON DELETE CASCADE, b int REFERENCES base ON DELETE SET NULL,
    c int DEFAULT 1 REFERENCES base ON DELETE SET DEFAULT ON UPDATE SET NULL, d int REFERENCES base ON DELETE RESTRICT ON UPDATE CASCADE);
INSERT INTO acts SELECT n, 1 + n % 60, 1 + n % 9, 1, 1 + n % 30 FROM generate_series(1, 70) n;
-- Same: SELECT conname, confdeltype, confupdtype FROM pg_constraint WHERE conrelid = 'acts'::regclass AND contype = 'f' ORDER BY 1

-- Feature: set null for some columns only
CREATE TABLE partly (id int PRIMARY KEY, tenant_id int NOT NULL, member_id int,
    FOREIGN KEY (tenant_id, member_id) REFERENCES member ON DELETE SET NULL (member_id));
INSERT INTO partly SELECT n, 1 + n % 6, nullif(n % 10, 0) FROM generate_series(1, 90) n;
-- Same: SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'partly'::regclass AND contype = 'f'
-- Same: SELECT count(*) FROM partly

-- Feature: a reference that repeats that of the row pointed to
CREATE TABLE lender (id int PRIMARY KEY);
CREATE TABLE loan (id int PRIMARY KEY, lender_id int NOT NULL REFERENCES lender);
CREATE TABLE refund (id int PRIMARY KEY, lender_id int NOT NULL REFERENCES lender, loan_id int REFERENCES loan);
INSERT INTO lender SELECT generate_series(1, 30);
INSERT INTO loan SELECT n, 1 + n * 7 % 29 FROM generate_series(1, 200) n;
INSERT INTO refund SELECT n, 1 + CASE WHEN n % 9 > 0 THEN n * 7 % 29 ELSE n % 30 END, CASE WHEN n % 9 > 0 THEN n END
  FROM generate_series(1, 190) n;
-- True: SELECT count(*) > 130 AND bool_and(refund.lender_id = loan.lender_id) FROM refund JOIN loan ON loan.id = loan_id

-- Feature: a reference that repeats a part of that of the row pointed to
CREATE TABLE clinic (id int PRIMARY KEY);
CREATE TABLE doctor (clinic_id int REFERENCES clinic, no int, PRIMARY KEY (clinic_id, no));
CREATE TABLE visit (clinic_id int REFERENCES clinic, no int, doctor_no int, PRIMARY KEY (clinic_id, no),
    FOREIGN KEY (clinic_id, doctor_no) REFERENCES doctor);
CREATE TABLE bill (clinic_id int, visit_no int, doctor_no int, no int, PRIMARY KEY (clinic_id, visit_no, no),
    FOREIGN KEY (clinic_id, visit_no) REFERENCES visit, FOREIGN KEY (clinic_id, doctor_no) REFERENCES doctor);
INSERT INTO clinic SELECT generate_series(1, 4);
INSERT INTO doctor SELECT c, n FROM generate_series(1, 4) c, generate_series(1, 9) n;
INSERT INTO visit SELECT c, n, CASE WHEN n % 5 > 0 THEN 1 + n * 7 % 9 END FROM generate_series(1, 4) c, generate_series(1, 40) n;
INSERT INTO bill SELECT clinic_id, visit.no, doctor_no, n FROM visit, generate_series(1, 3) n WHERE n <= 1 + visit.no % 3;
-- True: SELECT count(*) > 200 AND bool_and(bill.doctor_no IS NOT DISTINCT FROM visit.doctor_no) FROM bill
--   JOIN visit ON visit.clinic_id = bill.clinic_id AND visit.no = bill.visit_no

-- Feature: keys without overlaps and references over periods
-- Needs: server 18
-- Needs: extension btree_gist
CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE TABLE stay (room int, during daterange, PRIMARY KEY (room, during WITHOUT OVERLAPS));
INSERT INTO stay SELECT n % 6, daterange(date '2024-01-01' + n * 10, date '2024-01-06' + n * 10) FROM generate_series(1, 60) n;
-- Same: SELECT count(*) FROM stay
