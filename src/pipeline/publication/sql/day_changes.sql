-- Which days of a run differ from those of the run that was published before, and how? The totals
-- are those of all days with the same kind of change, even if the limit omits some of the days.
WITH days_now AS (
    SELECT
        rental_date,
        total_transactions,
        total_revenue
    FROM history_daily_metrics
    WHERE run_id = ?
),

days_before AS (
    SELECT
        rental_date,
        total_transactions,
        total_revenue
    FROM history_daily_metrics
    WHERE run_id = ?
),

differences AS (
    SELECT
        COALESCE(days_now.rental_date, days_before.rental_date) AS rental_date,
        CASE
            WHEN days_before.rental_date IS NULL THEN 'new'
            WHEN days_now.rental_date IS NULL THEN 'vanished'
            ELSE 'changed'
        END AS change,
        days_now.total_transactions AS rentals,
        days_now.total_revenue AS revenue,
        days_before.total_transactions AS rentals_before,
        days_before.total_revenue AS revenue_before
    FROM days_now
    FULL OUTER JOIN days_before ON days_now.rental_date = days_before.rental_date
    WHERE days_now.rental_date IS NULL
        OR days_before.rental_date IS NULL
        OR days_now.total_transactions IS DISTINCT FROM days_before.total_transactions
        OR days_now.total_revenue IS DISTINCT FROM days_before.total_revenue
),

numbered AS (
    SELECT
        rental_date,
        change,
        rentals,
        revenue,
        rentals_before,
        revenue_before,
        COUNT(*) OVER (PARTITION BY change) AS all_days,
        SUM(COALESCE(rentals, 0) - COALESCE(rentals_before, 0))
            OVER (PARTITION BY change) AS all_rentals,
        SUM(COALESCE(revenue, 0) - COALESCE(revenue_before, 0))
            OVER (PARTITION BY change) AS all_revenue,
        ROW_NUMBER() OVER (PARTITION BY change ORDER BY rental_date DESC) AS day_number
    FROM differences
)

SELECT
    CAST(rental_date AS varchar) AS day,
    change,
    rentals,
    revenue,
    rentals_before,
    revenue_before,
    all_days,
    all_rentals,
    all_revenue,
    (SELECT COUNT(*) FROM days_before) AS previous_days
FROM numbered
ORDER BY day_number ASC, change ASC
LIMIT 2000
