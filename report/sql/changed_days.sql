-- Which days changed most, or are missing, compared with the run before?
WITH days_before AS (
    SELECT
        rental_date AS day,
        total_transactions AS rentals,
        total_revenue AS revenue
    FROM history_daily_metrics
    WHERE run_id = ?
),

days_now AS (
    SELECT
        rental_date AS day,
        total_transactions AS rentals,
        total_revenue AS revenue
    FROM history_daily_metrics
    WHERE run_id = ?
)

SELECT
    b.day AS day,
    b.rentals AS rentals_before,
    n.rentals AS rentals_now,
    b.revenue AS revenue_before,
    n.revenue AS revenue_now
FROM days_before AS b
LEFT JOIN days_now AS n ON b.day = n.day
WHERE n.day IS NULL OR b.rentals <> n.rentals OR b.revenue <> n.revenue
ORDER BY ABS(COALESCE(n.revenue, 0) - b.revenue) DESC, b.day
LIMIT 30
