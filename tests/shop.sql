-- A shop whose rows keep rules of every form although nothing declares them.
CREATE TABLE customer (
    customer_id int PRIMARY KEY,
    full_name text NOT NULL,
    city text NOT NULL,
    country text NOT NULL,
    orders_count int NOT NULL
);
CREATE TABLE product (
    product_id int PRIMARY KEY,
    label text NOT NULL
);
CREATE TABLE offer (offer_id int PRIMARY KEY, min_price numeric(8, 2) NOT NULL, max_price numeric(8, 2) NOT NULL);
CREATE TABLE purchase (
    purchase_id int PRIMARY KEY,
    customer_id int NOT NULL REFERENCES customer,
    status text NOT NULL,
    placed_at timestamp NOT NULL,
    cancelled_on date,
    total numeric(12, 2) NOT NULL
);
CREATE TABLE line (
    line_id int PRIMARY KEY,
    purchase_id int NOT NULL REFERENCES purchase,
    product_id int NOT NULL REFERENCES product,
    quantity int NOT NULL,
    price numeric(8, 2) NOT NULL,
    net numeric(10, 2) NOT NULL,
    tax numeric(10, 2) NOT NULL,
    gross numeric(10, 2) NOT NULL,
    packed_at timestamp NOT NULL
);
CREATE TABLE entry (
    entry_id int PRIMARY KEY,
    customer_id int NOT NULL REFERENCES customer,
    booked_on date NOT NULL,
    amount numeric(8, 2) NOT NULL,
    balance numeric(10, 2) NOT NULL
);
CREATE TABLE room (room_id int PRIMARY KEY, floor int NOT NULL);
CREATE TABLE booking (
    booking_id int PRIMARY KEY,
    room_id int NOT NULL REFERENCES room,
    floor int NOT NULL,
    customer_id int NOT NULL REFERENCES customer,
    begins timestamp NOT NULL,
    finishes timestamp NOT NULL
);
CREATE TABLE lesson (
    lesson_id int PRIMARY KEY,
    customer_id int NOT NULL REFERENCES customer,
    room_id int NOT NULL REFERENCES room
);

SELECT setseed(0.5);
INSERT INTO customer
SELECT n, 'Person ' || n, c.city, c.country, 0
FROM generate_series(1, 200) n
JOIN (VALUES (0, 'Oslo', 'Norway'), (1, 'Bergen', 'Norway'), (2, 'Graz', 'Austria'), (3, 'Wien', 'Austria'),
    (4, 'Lyon', 'France'), (5, 'Nice', 'France'), (6, 'Turin', 'Italy')) c (k, city, country) ON c.k = n * 5 % 7;
INSERT INTO product
SELECT n, 'article ' || n FROM generate_series(1, 60) n;
INSERT INTO offer
SELECT n, 5 + n * 37 % 80, 5 + n * 37 % 80 + round((random() * 60)::numeric, 2) FROM generate_series(1, 400) n;
INSERT INTO purchase
SELECT n, 1 + floor(200 * random() ^ 2)::int, (ARRAY['open', 'paid', 'cancelled', 'returned'])[1 + n * 7 % 4],
    timestamp '2022-01-01' + random() * interval '700 days', NULL, 0
FROM generate_series(1, 800) n;
UPDATE purchase SET cancelled_on = placed_at::date + 40 WHERE status IN ('cancelled', 'returned');
INSERT INTO line
SELECT n, p.purchase_id, 1 + floor(random() * 60)::int, 1 + floor(random() * 9)::int,
    round((5 + random() * 80)::numeric, 2), 0, 0, 0,
    p.placed_at + random() * interval '9 days'
FROM generate_series(1, 2000) n JOIN purchase p ON p.purchase_id = 1 + (n * 389) % 790;
UPDATE line SET net = quantity * price;
UPDATE line SET tax = round(net * (ARRAY[0.07, 0.19, 0.25])[1 + line_id * 5 % 3], 2);
UPDATE line SET gross = net + tax;
UPDATE purchase p SET total = coalesce((SELECT sum(l.gross) FROM line l WHERE l.purchase_id = p.purchase_id), 0);
UPDATE customer c SET orders_count = (SELECT count(*) FROM purchase p WHERE p.customer_id = c.customer_id);
INSERT INTO room SELECT n, n % 4 FROM generate_series(1, 20) n;
INSERT INTO booking
SELECT n, 1 + n % 20, (1 + n % 20) % 4, 1 + floor(random() * 200)::int, b, b + interval '1 hour' + random() * interval '50 hours'
FROM (SELECT n, timestamp '2023-01-01' + (n / 20) * interval '3 days' + random() * interval '20 hours' AS b
    FROM generate_series(1, 600) n) s;
INSERT INTO entry
SELECT n, 1 + n * 7 % 200, date '2022-01-01' + n * 13 % 300, round((random() * 300 - 120)::numeric, 2), 0
FROM generate_series(1, 1200) n;
UPDATE entry e SET balance = t.balance
FROM (SELECT entry_id, 500 + customer_id * 3 + sum(amount) OVER (PARTITION BY customer_id ORDER BY booked_on, entry_id)
    AS balance FROM entry) t
WHERE t.entry_id = e.entry_id;
INSERT INTO lesson
SELECT row_number() OVER (), c, r FROM generate_series(1, 200) c, generate_series(1, 20) r
WHERE (c * 37 + r * 11) % 100 < 12 + 30 * (c % 10) / 10;
