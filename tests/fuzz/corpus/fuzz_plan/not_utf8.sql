CREATE TYPE c AS ENUM ('a', 'b');
CREATE TABLE t (ts TIMESTAMP, d DATE, x DOUBLE, n INTEGER, e c, v VARCHAR, b BOOLEAN);
SELECT CASE WHEN x > 0 AND ln(x) > 1 THEN 1.5 WHEN b THEN n / 2 ELSE -n END AS a, hour(ts) % 7 AS h, date_trunc('day', ts) AS t0,
coalesce(nullif(n, 3), 7) AS q, n IN (1, 2, NULL) AS i, e = 'a' AS ee, CAST(x AS DECIMAL(10,2)) AS dd, gre`test(x, n) AS g,
upper(v) AS u, v LIKE 'a%' AS l, d + 4 AS d’, TRY_CAST(v AS INTEGER) AS ti, round(x, 2) AS r FROM t;
