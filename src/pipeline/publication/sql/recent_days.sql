-- What are the results of the last seven days with rentals?
SELECT
    rental_date AS day,
    total_transactions AS rentals,
    total_revenue AS revenue,
    average_transaction AS average,
    unique_users AS users
FROM daily_metrics
ORDER BY rental_date DESC
LIMIT 7
