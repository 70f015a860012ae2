-- What are the totals of the run?
SELECT
    total_transactions AS rentals,
    total_revenue AS revenue,
    average_transaction AS average,
    overall_max_transaction AS largest,
    overall_min_transaction AS smallest,
    total_rental_hours AS hours,
    unique_users AS users,
    unique_vehicles AS vehicles,
    first_rental_date AS first_day,
    last_rental_date AS last_day
FROM history_transaction_metrics
WHERE run_id = ?
LIMIT 1
