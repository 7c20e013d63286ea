-- The features that the Fraud Detection Handbook published with its simulated data, to the value.
--
-- The handbook computes them with pandas, whose windows are open at their beginning: (t - 7 days, t]. Times are whole
-- seconds, so that a window of 7 days begins 7 * 86400 - 1 seconds before the payment. Risk windows end 7 days before
-- it, because that is how long investigators take to learn which payments were fraud.

CREATE TABLE transactions (
    tx_id          BIGINT PRIMARY KEY,
    ts             TIMESTAMP,
    customer_id    INTEGER,
    terminal_id    INTEGER,
    amount         DOUBLE,
    is_fraud       TINYINT DEFAULT 0
);

COMMENT ON COLUMN transactions.is_fraud IS 'shrike: label, late after=7 days';

SELECT
    amount,
    isodow(ts) >= 6                                         AS weekend,
    hour(ts) <= 6                                           AS night,
    count(*)    OVER customer_1d                            AS customer_count_1d,
    avg(amount) OVER customer_1d                            AS customer_mean_1d,
    count(*)    OVER customer_7d                            AS customer_count_7d,
    avg(amount) OVER customer_7d                            AS customer_mean_7d,
    count(*)    OVER customer_30d                           AS customer_count_30d,
    avg(amount) OVER customer_30d                           AS customer_mean_30d,
    count(*)    OVER terminal_1d                            AS terminal_count_1d,
    coalesce(avg(is_fraud) OVER terminal_1d, 0)             AS terminal_risk_1d,
    count(*)    OVER terminal_7d                            AS terminal_count_7d,
    coalesce(avg(is_fraud) OVER terminal_7d, 0)             AS terminal_risk_7d,
    count(*)    OVER terminal_30d                           AS terminal_count_30d,
    coalesce(avg(is_fraud) OVER terminal_30d, 0)            AS terminal_risk_30d
FROM transactions
WINDOW
    customer     AS (PARTITION BY customer_id ORDER BY ts),
    customer_1d  AS (customer RANGE BETWEEN INTERVAL 86399 SECOND PRECEDING AND CURRENT ROW),
    customer_7d  AS (customer RANGE BETWEEN INTERVAL 604799 SECOND PRECEDING AND CURRENT ROW),
    customer_30d AS (customer RANGE BETWEEN INTERVAL 2591999 SECOND PRECEDING AND CURRENT ROW),
    terminal     AS (PARTITION BY terminal_id ORDER BY ts),
    terminal_1d  AS (terminal RANGE BETWEEN INTERVAL 691199 SECOND PRECEDING AND INTERVAL 7 DAY PRECEDING),
    terminal_7d  AS (terminal RANGE BETWEEN INTERVAL 1209599 SECOND PRECEDING AND INTERVAL 7 DAY PRECEDING),
    terminal_30d AS (terminal RANGE BETWEEN INTERVAL 3196799 SECOND PRECEDING AND INTERVAL 7 DAY PRECEDING);
