-- What do the publication records say about one day? A record lists only the days that differ from
-- the run that was published before.
WITH entries AS (
    SELECT
        published_at,
        run_id,
        batch,
        previous_run_id,
        rollback_reason,
        omitted_days,
        CARDINALITY(days) AS listed_days,
        ELEMENT_AT(FILTER(days, entry -> entry.day = ?), 1) AS day_entry
    FROM published_runs
)

SELECT
    published_at,
    run_id,
    batch,
    previous_run_id,
    rollback_reason,
    omitted_days,
    listed_days,
    day_entry.change AS change,
    day_entry.rentals AS rentals,
    day_entry.revenue AS revenue
FROM entries
ORDER BY published_at ASC
LIMIT 5000
