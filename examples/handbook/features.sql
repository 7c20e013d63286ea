-- What the model looks at, one column per feature, computed for each transaction as of its own moment.
--
-- This file is plain SQL: Shrike runs it event by event, DuckDB runs the same text over a file.
-- `shrike plan check features.sql` says whether it can run online, and where not, why.

-- The events, in the order of their arrival. The PRIMARY KEY is the id; DEFAULT is what a label counts as when
-- nobody has said otherwise by then.
CREATE TABLE transactions (
    tx_id       BIGINT PRIMARY KEY,
    ts          TIMESTAMP,
    customer_id INTEGER,
    terminal_id INTEGER,
    amount      DOUBLE,
    is_fraud    TINYINT DEFAULT 0
);

-- Whether a payment was fraud is known a week later at the soonest. A window that would see it earlier is refused.
COMMENT ON COLUMN transactions.is_fraud IS 'shrike: label, late after=7 days';

SELECT
    -- The payment itself.
    amount,
    isodow(ts) >= 6 AS weekend,
    hour(ts) <= 6   AS night,

    -- How the customer spends: how often, and how much on average. Each window includes the payment itself.
    count(*)    OVER customer_1d  AS customer_count_1d,
    avg(amount) OVER customer_1d  AS customer_mean_1d,
    count(*)    OVER customer_7d  AS customer_count_7d,
    avg(amount) OVER customer_7d  AS customer_mean_7d,
    count(*)    OVER customer_30d AS customer_count_30d,
    avg(amount) OVER customer_30d AS customer_mean_30d,

    -- How the terminal fared: payments whose truth is known by now, and the share of fraud among them.
    count(*)                   OVER terminal_1d      AS terminal_count_1d,
    coalesce(avg(is_fraud)     OVER terminal_1d, 0)  AS terminal_risk_1d,
    count(*)                   OVER terminal_7d      AS terminal_count_7d,
    coalesce(avg(is_fraud)     OVER terminal_7d, 0)  AS terminal_risk_7d,
    count(*)                   OVER terminal_30d     AS terminal_count_30d,
    coalesce(avg(is_fraud)     OVER terminal_30d, 0) AS terminal_risk_30d
FROM transactions
WINDOW
    customer     AS (PARTITION BY customer_id ORDER BY ts),
    customer_1d  AS (customer RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW),
    customer_7d  AS (customer RANGE BETWEEN INTERVAL 7 DAY PRECEDING AND CURRENT ROW),
    customer_30d AS (customer RANGE BETWEEN INTERVAL 30 DAY PRECEDING AND CURRENT ROW),
    -- The windows end a week ago, when labels are known; a 7-day window so begins 14 days ago.
    terminal     AS (PARTITION BY terminal_id ORDER BY ts),
    terminal_1d  AS (terminal RANGE BETWEEN INTERVAL 8 DAY PRECEDING AND INTERVAL 7 DAY PRECEDING),
    terminal_7d  AS (terminal RANGE BETWEEN INTERVAL 14 DAY PRECEDING AND INTERVAL 7 DAY PRECEDING),
    terminal_30d AS (terminal RANGE BETWEEN INTERVAL 37 DAY PRECEDING AND INTERVAL 7 DAY PRECEDING);
