-- What are the results of each day? The most recent three years.
SELECT
    rental_date AS day,
    total_transactions AS rentals,
    total_revenue AS revenue,
    unique_users AS users
FROM history_daily_metrics
WHERE run_id = ?
ORDER BY rental_date DESC
LIMIT 1100
