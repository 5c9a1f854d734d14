-- Geometry and geography: type and reference system of the column hold for every value.
-- Needs: extension postgis

CREATE EXTENSION postgis;

-- Feature: points with a reference system
CREATE TABLE place (id int PRIMARY KEY, at geometry(Point, 4326) NOT NULL, area geometry(Polygon, 4326), line geography(LineString, 4326),
    anything geometry);
INSERT INTO place SELECT n, ST_SetSRID(ST_MakePoint(8 + n / 100.0, 47 + n / 200.0), 4326), ST_Buffer(ST_SetSRID(ST_MakePoint(8, 47), 4326), n, 1),
    ('SRID=4326;LINESTRING(8 47, 8.' || n || ' 47.5)')::geography, ST_MakePoint(n, n, n) FROM generate_series(1, 90) n;
CREATE INDEX ON place USING gist (at);
-- True: SELECT bool_and(ST_SRID(at) = 4326 AND ST_X(at) BETWEEN 7.9 AND 9.1 AND ST_Y(at) BETWEEN 46.9 AND 47.6) FROM place
-- True: SELECT bool_and(area IS NULL OR GeometryType(area) = 'POLYGON') AND count(DISTINCT at::text) > 20 FROM place

-- Feature: points of persons
-- Map: public.person role subject
CREATE TABLE person (id int PRIMARY KEY, home geometry(Point, 4326) NOT NULL);
INSERT INTO person SELECT n, ST_SetSRID(ST_MakePoint(8 + n / 100.0, 47 + n / 200.0), 4326) FROM generate_series(1, 120) n;
-- True: SELECT bool_and(ST_SRID(home) = 4326) AND count(*) = 120 FROM person
