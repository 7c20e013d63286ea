-- 40 features over three entities, windows of one hour to 90 days: what bench/rich.py runs, in Shrike and, the same text,
-- in DuckDB. A category is one of 100 kinds of terminals; the simulation has none, so the number of the terminal gives it.

CREATE TABLE transactions (
    tx_id       BIGINT PRIMARY KEY,
    ts          TIMESTAMP,
    customer_id INTEGER,
    terminal_id INTEGER,
    amount      DOUBLE,
    is_fraud    TINYINT DEFAULT 0
);

COMMENT ON COLUMN transactions.is_fraud IS 'shrike: label, late after=7 days';

SELECT
    tx_id, -- not a feature: by it the outputs are compared

    amount,
    hour(ts) <= 6                                        AS night,

    count(*)                    OVER customer_1h         AS customer_count_1h,
    sum(amount)                 OVER customer_1h         AS customer_sum_1h,
    count(*)                    OVER customer_1d         AS customer_count_1d,
    sum(amount)                 OVER customer_1d         AS customer_sum_1d,
    max(amount)                 OVER customer_1d         AS customer_max_1d,
    avg(amount)                 OVER customer_7d         AS customer_mean_7d,
    stddev_samp(amount)         OVER customer_7d         AS customer_stddev_7d,
    count(DISTINCT terminal_id) OVER customer_7d         AS customer_terminals_7d,
    amount / nullif(avg(amount) OVER customer_30d, 0)    AS customer_ratio_30d,
    stddev_samp(amount)         OVER customer_30d        AS customer_stddev_30d,
    min(amount)                 OVER customer_30d        AS customer_min_30d,
    max(amount)                 OVER customer_30d        AS customer_max_30d,
    count(DISTINCT terminal_id) OVER customer_30d        AS customer_terminals_30d,
    count(*)                    OVER customer_90d        AS customer_count_90d,
    sum(amount)                 OVER customer_90d        AS customer_sum_90d,
    epoch(ts - lag(ts)          OVER customer)           AS customer_seconds_since,

    count(*)                    OVER terminal_1h         AS terminal_count_1h,
    count(*)                    OVER terminal_1d         AS terminal_count_1d,
    sum(amount)                 OVER terminal_1d         AS terminal_sum_1d,
    count(DISTINCT customer_id) OVER terminal_1d         AS terminal_customers_1d,
    avg(amount)                 OVER terminal_7d         AS terminal_mean_7d,
    stddev_samp(amount)         OVER terminal_7d         AS terminal_stddev_7d,
    count(DISTINCT customer_id) OVER terminal_30d        AS terminal_customers_30d,
    min(amount)                 OVER terminal_30d        AS terminal_min_30d,
    max(amount)                 OVER terminal_30d        AS terminal_max_30d,
    max(amount)                 OVER terminal_90d        AS terminal_max_90d,
    coalesce(avg(is_fraud)      OVER terminal_risk_1d, 0)  AS terminal_risk_1d,
    coalesce(avg(is_fraud)      OVER terminal_risk_7d, 0)  AS terminal_risk_7d,
    coalesce(avg(is_fraud)      OVER terminal_risk_30d, 0) AS terminal_risk_30d,
    sum(is_fraud)               OVER terminal_risk_30d     AS terminal_frauds_30d,
    epoch(ts - lag(ts)          OVER terminal)             AS terminal_seconds_since,

    count(*)                    OVER category_1h         AS category_count_1h,
    avg(amount)                 OVER category_1d         AS category_mean_1d,
    stddev_samp(amount)         OVER category_1d         AS category_stddev_1d,
    max(amount)                 OVER category_1d         AS category_max_1d,
    count(DISTINCT customer_id) OVER category_1d         AS category_customers_1d,
    sum(amount)                 OVER category_30d        AS category_sum_30d,
    coalesce(avg(is_fraud)      OVER category_risk_30d, 0) AS category_risk_30d
FROM transactions
WINDOW
    customer          AS (PARTITION BY customer_id ORDER BY ts),
    customer_1h       AS (customer RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW),
    customer_1d       AS (customer RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW),
    customer_7d       AS (customer RANGE BETWEEN INTERVAL 7 DAY PRECEDING AND CURRENT ROW),
    customer_30d      AS (customer RANGE BETWEEN INTERVAL 30 DAY PRECEDING AND CURRENT ROW),
    customer_90d      AS (customer RANGE BETWEEN INTERVAL 90 DAY PRECEDING AND CURRENT ROW),
    terminal          AS (PARTITION BY terminal_id ORDER BY ts),
    terminal_1h       AS (terminal RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW),
    terminal_1d       AS (terminal RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW),
    terminal_7d       AS (terminal RANGE BETWEEN INTERVAL 7 DAY PRECEDING AND CURRENT ROW),
    terminal_30d      AS (terminal RANGE BETWEEN INTERVAL 30 DAY PRECEDING AND CURRENT ROW),
    terminal_90d      AS (terminal RANGE BETWEEN INTERVAL 90 DAY PRECEDING AND CURRENT ROW),
    terminal_risk_1d  AS (terminal RANGE BETWEEN INTERVAL 8 DAY PRECEDING AND INTERVAL 7 DAY PRECEDING),
    terminal_risk_7d  AS (terminal RANGE BETWEEN INTERVAL 14 DAY PRECEDING AND INTERVAL 7 DAY PRECEDING),
    terminal_risk_30d AS (terminal RANGE BETWEEN INTERVAL 37 DAY PRECEDING AND INTERVAL 7 DAY PRECEDING),
    category          AS (PARTITION BY terminal_id % 100 ORDER BY ts),
    category_1h       AS (category RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW),
    category_1d       AS (category RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW),
    category_30d      AS (category RANGE BETWEEN INTERVAL 30 DAY PRECEDING AND CURRENT ROW),
    category_risk_30d AS (category RANGE BETWEEN INTERVAL 37 DAY PRECEDING AND INTERVAL 7 DAY PRECEDING);
