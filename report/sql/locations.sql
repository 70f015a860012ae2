-- What does each pickup location earn? The 500 with the highest revenue.
SELECT
    SUBSTR(location_id, 1, 200) AS location_id,
    SUBSTR(location_name, 1, 200) AS location_name,
    SUBSTR(city, 1, 200) AS city,
    total_transactions AS rentals,
    total_revenue AS revenue,
    average_transaction AS average
FROM history_location_metrics
WHERE run_id = ?
ORDER BY total_revenue DESC, location_id
LIMIT 500
