-- Which pickup locations have the highest revenue?
SELECT
    location_id,
    location_name,
    city,
    total_revenue AS revenue,
    total_transactions AS rentals,
    average_transaction AS average
FROM location_metrics
ORDER BY total_revenue DESC, location_id ASC
LIMIT 5
