-- What to do with a scored payment. `scored` has the columns of the event (labels excepted), the features and the
-- model's score, a probability. The first column decides; each boolean column after it is a rule, which is reported
-- as a reason where it is true. A NULL decision is a review.
SELECT
    CASE
        WHEN score >= 0.8 THEN 'decline'
        WHEN amount > 220 AND score >= 0.3 THEN 'decline'
        WHEN score >= 0.3 THEN 'review'
        WHEN terminal_risk_7d >= 0.5 AND terminal_count_7d >= 4 THEN 'review'
        WHEN amount >= 5 * customer_mean_30d AND customer_count_30d >= 10 THEN 'review'
        ELSE 'approve'
    END AS decision,
    score >= 0.8                                              AS high_score,
    amount > 220                                              AS large_amount,
    terminal_risk_7d >= 0.5 AND terminal_count_7d >= 4        AS terminal_with_recent_fraud,
    amount >= 5 * customer_mean_30d AND customer_count_30d >= 10 AS amount_unlike_customer,
    customer_count_1d >= 12                                   AS many_payments_in_a_day
FROM scored;
