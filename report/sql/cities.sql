-- Which cities have the highest revenue, and what does one of their locations earn?
SELECT
    SUBSTR(city, 1, 200) AS city,
    SUBSTR(state, 1, 200) AS state,
    COUNT(*) AS locations,
    SUM(total_transactions) AS rentals,
    SUM(total_revenue) AS revenue,
    COUNT(*) OVER () AS cities
FROM history_location_metrics
WHERE run_id = ?
GROUP BY SUBSTR(city, 1, 200), SUBSTR(state, 1, 200)
ORDER BY revenue DESC, city, state
LIMIT 15
