-- What did each vehicle type earn in the last seven days until the day of the claim, and in the
-- seven days before?
WITH bounds AS (
    SELECT MAX(rental_date) AS last_day
    FROM history_daily_metrics
    WHERE run_id = ? AND rental_date <= CAST(? AS date)
),

run_rentals AS (
    SELECT
        rental_date,
        vehicle_id,
        total_amount
    FROM history_rentals
    WHERE run_id = ?
),

run_vehicles AS (
    SELECT
        vehicle_id,
        vehicle_type
    FROM history_vehicles
    WHERE run_id = ?
),

types AS (
    SELECT
        COALESCE(run_vehicles.vehicle_type, 'unknown') AS vehicle_type,
        SUM(
            CASE
                WHEN run_rentals.rental_date > bounds.last_day - INTERVAL '7' DAY
                    THEN run_rentals.total_amount
                ELSE 0
            END
        ) AS revenue,
        SUM(
            CASE
                WHEN run_rentals.rental_date > bounds.last_day - INTERVAL '7' DAY THEN 0
                ELSE run_rentals.total_amount
            END
        ) AS revenue_before
    FROM run_rentals
    INNER JOIN bounds
        ON run_rentals.rental_date > bounds.last_day - INTERVAL '14' DAY
        AND run_rentals.rental_date <= bounds.last_day
    LEFT JOIN run_vehicles ON run_rentals.vehicle_id = run_vehicles.vehicle_id
    GROUP BY COALESCE(run_vehicles.vehicle_type, 'unknown')
)

SELECT
    vehicle_type,
    revenue,
    revenue_before,
    COUNT(*) OVER () AS all_types
FROM types
ORDER BY revenue DESC, vehicle_type ASC
LIMIT 5
