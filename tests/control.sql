-- People with what hangs on them, by every way that leads to a person. A person's mark stands in all rows of theirs.
CREATE FUNCTION mark(region text, number int) RETURNS text IMMUTABLE LANGUAGE sql
AS $$ SELECT 'mark' || translate(left(md5(region || number), 6), '0123456789', 'ghijklmnop') $$;

CREATE TABLE branch (id int PRIMARY KEY, city text NOT NULL, head_region text, head_number int);
CREATE TABLE client (
    region text,
    number int,
    full_name text NOT NULL,
    email text NOT NULL,
    mark text NOT NULL,
    branch_id int NOT NULL REFERENCES branch,
    advisor_region text,
    advisor_number int,
    home_id int,
    PRIMARY KEY (region, number),
    FOREIGN KEY (advisor_region, advisor_number) REFERENCES client
);
ALTER TABLE branch ADD FOREIGN KEY (head_region, head_number) REFERENCES client;
CREATE TABLE home (
    id int PRIMARY KEY, region text NOT NULL, number int NOT NULL, mark text NOT NULL,
    FOREIGN KEY (region, number) REFERENCES client
);
ALTER TABLE client ADD FOREIGN KEY (home_id) REFERENCES home;
CREATE TABLE account (
    id int PRIMARY KEY, region text NOT NULL, number int NOT NULL, mark text NOT NULL, branch_id int REFERENCES branch,
    FOREIGN KEY (region, number) REFERENCES client
);
CREATE TABLE transfer (
    id int PRIMARY KEY, payer int NOT NULL REFERENCES account, payee int REFERENCES account, mark text NOT NULL,
    amount numeric(10, 2) NOT NULL, made_on date NOT NULL
);
CREATE TABLE ledger (id int PRIMARY KEY, account_id int REFERENCES account, mark text NOT NULL);

INSERT INTO branch SELECT n, (ARRAY['Oslo', 'Graz', 'Lyon'])[1 + n % 3] FROM generate_series(1, 12) n;
INSERT INTO client
SELECT r.region, n, mark(r.region, n), mark(r.region, n) || '@firm.test', mark(r.region, n), 1 + n % 12,
    CASE WHEN n > 20 THEN r.region END, CASE WHEN n > 20 THEN n % 20 + 1 END
FROM generate_series(1, 100) n, (VALUES ('n'), ('s')) r (region);
UPDATE branch SET head_region = 'n', head_number = id * 5;
INSERT INTO home
SELECT row_number() OVER (), region, number, mark FROM client, generate_series(1, 2);
UPDATE client c SET home_id = (SELECT min(id) FROM home h WHERE (h.region, h.number) = (c.region, c.number));
INSERT INTO account
SELECT row_number() OVER (), region, number, mark, CASE WHEN number % 4 > 0 THEN branch_id END
FROM client, generate_series(1, 2);
INSERT INTO transfer
SELECT n, a.id, b.id, a.mark || coalesce(' ' || b.mark, ''), n % 97, date '2024-01-01' + n % 300
FROM generate_series(1, 1200) n JOIN account a ON a.id = 1 + n * 7 % 400
LEFT JOIN account b ON b.id = n * 11 % 400 AND n % 5 > 0;
INSERT INTO ledger
SELECT n, a.id, coalesce(a.mark, 'nobody') FROM generate_series(1, 1200) n
LEFT JOIN account a ON a.id = n % 400 AND n % 4 > 0;
ANALYZE;
