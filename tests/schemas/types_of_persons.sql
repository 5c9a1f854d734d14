-- Types of which a person's own value may not be kept: new values take their place, valid and of the same kind.

-- Feature: ranges of persons
-- Map: public.stay role subject
CREATE TABLE stay (id int PRIMARY KEY, during daterange NOT NULL, hours tstzrange, ages int4range NOT NULL, parts int4multirange NOT NULL);
INSERT INTO stay SELECT n, daterange(date '2024-01-01' + n, date '2024-01-04' + n + n % 9),
    tstzrange(timestamptz '2024-01-01 10:00+00' + n * interval '1 hour', timestamptz '2024-01-01 11:30+00' + n * interval '1 hour'),
    int4range(n, n + 5 + n % 3), int4multirange(int4range(n, n + 2), int4range(n + 10, n + 20)) FROM generate_series(1, 120) n;
-- True: SELECT bool_and(NOT isempty(during) AND lower(during) BETWEEN '2023-12-01' AND '2024-06-01'
--     AND upper(during) - lower(during) BETWEEN 1 AND 14) FROM stay
-- True: SELECT count(DISTINCT during) > 20 AND bool_and(NOT isempty(ages)) AND count(DISTINCT ages) > 20 FROM stay
-- True: SELECT avg(extract(epoch FROM upper(hours) - lower(hours))) BETWEEN 3600 AND 7200 FROM stay
-- True: SELECT bool_and(NOT isempty(parts)) FROM stay

-- Feature: bits of persons
-- Map: public.flags role subject
CREATE TABLE flags (id int PRIMARY KEY, b bit(16) NOT NULL, v varbit(20) NOT NULL);
INSERT INTO flags SELECT n, (n * 523)::bit(16), substring((n * 523)::bit(16) FROM 1 FOR 4 + n % 9)::varbit(20) FROM generate_series(1, 120) n;
-- True: SELECT count(DISTINCT b) > 20 AND count(DISTINCT v) > 20 AND min(length(v)) >= 4 FROM flags

-- Feature: geometry of persons
-- Map: public.home role subject
CREATE TABLE home (id int PRIMARY KEY, p point NOT NULL, l line NOT NULL, s lseg NOT NULL, b box NOT NULL, pa path NOT NULL,
    po polygon NOT NULL, c circle NOT NULL);
INSERT INTO home SELECT n, point(n, n / 2.0), line(point(0, n), point(1, n + 1)), lseg(point(0, 0), point(n, n)),
    box(point(n, n), point(n + 2, n + 3)), ('[(0,0),(1,' || n || '),(2,2)]')::path,
    polygon(('((0,0),(' || n || ',0),(0,' || n || '))')), circle(point(n, n), n) FROM generate_series(1, 120) n;
-- True: SELECT count(DISTINCT p::text) > 20 AND min(p[0]) >= 0 AND max(p[0]) <= 121 FROM home
-- True: SELECT count(DISTINCT b::text) > 20 AND min(radius(c)) >= 0 AND max(radius(c)) <= 121 FROM home
-- True: SELECT bool_and(isopen(pa) AND npoints(pa) = 3 AND npoints(po) = 3) FROM home

-- Feature: xml of persons
-- Needs: feature xml
-- Map: public.letter role subject
CREATE TABLE letter (id int PRIMARY KEY, doc xml NOT NULL);
INSERT INTO letter SELECT n, ('<letter no="' || n || '"><to>someone ' || n || '</to><n>' || n % 7 || '</n></letter>')::xml
  FROM generate_series(1, 120) n;
-- True: SELECT bool_and(doc IS DOCUMENT) FROM letter
-- True: SELECT bool_and((xpath('count(/letter/to)', doc))[1]::text = '1') FROM letter

-- Feature: text search of persons
-- Map: public.note role subject
CREATE TABLE note (id int PRIMARY KEY, words tsvector NOT NULL, query tsquery NOT NULL);
INSERT INTO note SELECT n, to_tsvector('english', 'houses were built ' || n || ' for someone ' || n * 7), ('house & x' || n)::tsquery FROM generate_series(1, 120) n;
-- True: SELECT bool_and(length(words) BETWEEN 2 AND 12) FROM note

-- Feature: addresses and money of persons
-- Map: public.device role subject
CREATE TABLE device (id int PRIMARY KEY, ip inet NOT NULL, net cidr NOT NULL, mac macaddr NOT NULL, mac8 macaddr8 NOT NULL, price money NOT NULL);
INSERT INTO device SELECT n, ('10.1.' || n % 7 || '.' || n)::inet, ('10.' || n || '.0.0/16')::cidr, ('08:00:2b:01:02:' || lpad(to_hex(n), 2, '0'))::macaddr,
    ('08:00:2b:01:02:03:04:' || lpad(to_hex(n), 2, '0'))::macaddr8, (n * 3)::numeric::money FROM generate_series(1, 120) n;
-- True: SELECT count(DISTINCT ip) > 20 AND bool_and(masklen(net) = 16) AND count(DISTINCT mac) > 20 AND count(DISTINCT mac8) > 20 FROM device
-- True: SELECT min(price) >= 0::money AND max(price) <= 400::money FROM device

-- Feature: composites and arrays of persons
-- Map: public.household role subject
CREATE TYPE birth AS (day date, place text);
CREATE TABLE household (id int PRIMARY KEY, births birth[] NOT NULL, first birth NOT NULL, points int[][] NOT NULL);
INSERT INTO household SELECT n, ARRAY[(date '1950-01-01' + n * 90, 'Town ' || n)::birth, (date '1980-01-01' + n * 30, NULL)::birth],
    (date '1950-01-01' + n * 90, 'Town ' || n)::birth, ARRAY[[n, 2], [3, n * 2]] FROM generate_series(1, 120) n;
-- True: SELECT bool_and(cardinality(births) = 2) AND count(DISTINCT (births[1]).day) > 20 AND count(DISTINCT (first).day) > 20 FROM household
-- True: SELECT bool_and(array_dims(points) = '[1:2][1:2]') AND count(DISTINCT points) > 20 FROM household
