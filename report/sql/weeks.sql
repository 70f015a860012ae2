-- What are the results of the last seven days, and of the seven days before?
SELECT
    CASE WHEN rental_date >= CAST(? AS date) THEN 'last' ELSE 'before' END AS week,
    COUNT(DISTINCT rental_date) AS days,
    COUNT(*) AS rentals,
    SUM(total_amount) AS revenue,
    SUM(rental_duration_seconds) AS seconds,
    COUNT(DISTINCT user_id) AS users,
    COUNT(DISTINCT vehicle_id) AS vehicles
FROM history_rentals
WHERE run_id = ? AND rental_date BETWEEN CAST(? AS date) AND CAST(? AS date)
GROUP BY 1
ORDER BY 1
LIMIT 2
