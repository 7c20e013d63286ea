-- A second plan for the handbook's payments; README.md has its model's figures beside the published ones.
--
-- It asks what an investigator would: is the amount like this customer's, were the days before like it, and
-- what became of the payments at this terminal? No feature sees a label in the seven days before it arrives.

CREATE TABLE transactions (
    tx_id       BIGINT PRIMARY KEY,
    ts          TIMESTAMP,
    customer_id INTEGER,
    terminal_id INTEGER,
    amount      DOUBLE,
    is_fraud    TINYINT DEFAULT 0
);

COMMENT ON COLUMN transactions.is_fraud IS 'shrike: label, late after=7 days';

-- What a customer usually spends: the mean of the payments known to be genuine, since frauds would raise it
-- for months; where none is known yet, of all payments before this one.
WITH customers AS (
    SELECT *,
        nullif(coalesce(avg(amount) FILTER (WHERE is_fraud = 0) OVER known,
                        avg(amount) OVER before), 0) AS usual
    FROM transactions
    WINDOW
        customer AS (PARTITION BY customer_id ORDER BY ts),
        known    AS (customer RANGE BETWEEN UNBOUNDED PRECEDING AND INTERVAL 7 DAY PRECEDING),
        before   AS (customer RANGE UNBOUNDED PRECEDING EXCLUDE CURRENT ROW)
),
-- Which frauds tell of their terminal: an amount above 220 is fraud anywhere. Where it is usual for the
-- customer besides, the card was hardly stolen: the terminal is compromised.
payments AS (
    SELECT *,
        is_fraud = 1 AND amount <= 220                          AS terminal_fraud,
        is_fraud = 1 AND amount <= 220 AND amount < 2.2 * usual AS usual_fraud
    FROM customers
)
SELECT
    amount,
    amount / usual AS amount_to_usual,

    -- A stolen card pays unusual amounts for days.
    max(amount) OVER days_3 / usual  AS largest_3d_to_usual,
    avg(amount) OVER days_3 / usual  AS mean_3d_to_usual,
    max(amount) OVER days_14 / usual AS largest_14d_to_usual,
    avg(amount) OVER days_14 / usual AS mean_14d_to_usual,

    -- At a compromised terminal every payment is fraud, and not for ever.
    date_diff('day', max(ts) FILTER (WHERE is_fraud = 0) OVER terminal_ever, ts)    AS genuine_days_ago,
    date_diff('day', min(ts) FILTER (WHERE terminal_fraud) OVER terminal_weeks, ts) AS first_fraud_days_ago,
    date_diff('day', max(ts) FILTER (WHERE terminal_fraud) OVER terminal_weeks, ts) AS last_fraud_days_ago,
    date_diff('day', min(ts) FILTER (WHERE usual_fraud) OVER terminal_weeks, ts)    AS first_usual_days_ago,
    date_diff('day', max(ts) FILTER (WHERE usual_fraud) OVER terminal_weeks, ts)    AS last_usual_days_ago,
    count(*)    FILTER (WHERE terminal_fraud) OVER terminal_weeks                   AS terminal_frauds,
    min(amount) FILTER (WHERE is_fraud = 1) OVER terminal_weeks                     AS terminal_least_fraud,
    avg(amount) FILTER (WHERE is_fraud = 1) OVER terminal_weeks                     AS terminal_mean_fraud
FROM payments
WINDOW
    customer       AS (PARTITION BY customer_id ORDER BY ts),
    days_3         AS (customer RANGE INTERVAL 3 DAY PRECEDING EXCLUDE CURRENT ROW),
    days_14        AS (customer RANGE INTERVAL 14 DAY PRECEDING EXCLUDE CURRENT ROW),
    terminal       AS (PARTITION BY terminal_id ORDER BY ts),
    terminal_ever  AS (terminal RANGE BETWEEN UNBOUNDED PRECEDING AND INTERVAL 7 DAY PRECEDING),
    terminal_weeks AS (terminal RANGE BETWEEN INTERVAL 36 DAY PRECEDING AND INTERVAL 7 DAY PRECEDING);
