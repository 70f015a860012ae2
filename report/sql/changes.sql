-- Which days are new, changed, or missing, compared with the run before?
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
),

days AS (
    SELECT
        COALESCE(n.day, b.day) AS day,
        CASE
            WHEN b.day IS NULL THEN 'new'
            WHEN n.day IS NULL THEN 'missing'
            WHEN b.rentals <> n.rentals OR b.revenue <> n.revenue THEN 'changed'
            ELSE 'same'
        END AS change,
        COALESCE(b.rentals, 0) AS rentals_before,
        COALESCE(n.rentals, 0) AS rentals_now,
        COALESCE(b.revenue, 0) AS revenue_before,
        COALESCE(n.revenue, 0) AS revenue_now
    FROM days_before AS b
    FULL OUTER JOIN days_now AS n ON b.day = n.day
)

SELECT
    change,
    COUNT(*) AS days,
    MIN(day) AS first_day,
    MAX(day) AS last_day,
    SUM(rentals_before) AS rentals_before,
    SUM(rentals_now) AS rentals_now,
    SUM(revenue_before) AS revenue_before,
    SUM(revenue_now) AS revenue_now
FROM days
GROUP BY change
ORDER BY change
LIMIT 4
