-- What are the results of the last seven days until the day of the claim, and of the seven days
-- before? Rentals after that day, such as one of the year 2099, would leave the last days empty.
WITH bounds AS (
    SELECT
        MAX(CASE WHEN rental_date <= CAST(? AS date) THEN rental_date END) AS last_day,
        SUM(
            CASE WHEN rental_date > CAST(? AS date) THEN total_transactions ELSE 0 END
        ) AS later_rentals
    FROM history_daily_metrics
    WHERE run_id = ?
),

run_rentals AS (
    SELECT
        rental_date,
        user_id,
        total_amount
    FROM history_rentals
    WHERE run_id = ?
),

recent AS (
    SELECT
        run_rentals.rental_date AS rental_date,
        run_rentals.user_id AS user_id,
        run_rentals.total_amount AS total_amount,
        run_rentals.rental_date > bounds.last_day - INTERVAL '7' DAY AS is_last
    FROM run_rentals
    INNER JOIN bounds
        ON run_rentals.rental_date > bounds.last_day - INTERVAL '14' DAY
        AND run_rentals.rental_date <= bounds.last_day
),

weeks AS (
    SELECT
        SUM(CASE WHEN is_last THEN 1 ELSE 0 END) AS rentals,
        SUM(CASE WHEN is_last THEN total_amount ELSE 0 END) AS revenue,
        COUNT(DISTINCT CASE WHEN is_last THEN user_id END) AS users,
        COUNT(DISTINCT CASE WHEN is_last THEN rental_date END) AS days,
        SUM(CASE WHEN is_last THEN 0 ELSE 1 END) AS rentals_before,
        SUM(CASE WHEN is_last THEN 0 ELSE total_amount END) AS revenue_before,
        COUNT(DISTINCT CASE WHEN is_last THEN NULL ELSE user_id END) AS users_before,
        COUNT(DISTINCT CASE WHEN is_last THEN NULL ELSE rental_date END) AS days_before
    FROM recent
)

SELECT
    CAST(bounds.last_day AS varchar) AS last_day,
    bounds.later_rentals AS later_rentals,
    weeks.rentals AS rentals,
    weeks.revenue AS revenue,
    weeks.users AS users,
    weeks.days AS days,
    weeks.rentals_before AS rentals_before,
    weeks.revenue_before AS revenue_before,
    weeks.users_before AS users_before,
    weeks.days_before AS days_before
FROM bounds
CROSS JOIN weeks
LIMIT 1
