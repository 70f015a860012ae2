-- What one table holds of a run: to be compared with what the jobs counted.
SELECT
    '$table' AS table_name,
    COUNT(*) AS row_count,
    COALESCE(SUM($rentals), 0) AS rentals,
    COALESCE(SUM($revenue), 0) AS revenue
FROM history_$table
WHERE run_id = ?
