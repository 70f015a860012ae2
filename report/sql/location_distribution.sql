-- How many locations earn how much? At most 100 bins, whose width is a power of ten.
WITH locations AS (
    SELECT total_revenue AS revenue
    FROM history_location_metrics
    WHERE run_id = ?
),

bins AS (
    SELECT POWER(10, LENGTH(CAST(CAST(MAX(revenue) AS bigint) AS varchar)) - 2) AS width
    FROM locations
)

SELECT
    CAST(FLOOR(l.revenue / b.width) AS bigint) AS bin,
    CAST(MAX(b.width) AS decimal(18, 2)) AS width,
    COUNT(*) AS locations
FROM locations AS l
CROSS JOIN bins AS b
GROUP BY 1
ORDER BY 1
LIMIT 101
