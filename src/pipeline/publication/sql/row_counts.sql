-- The row count and totals of one table in one run, to compare with the job reports.
SELECT
    '$table' AS table_name,
    COUNT(*) AS row_count,
    COALESCE(SUM($rentals), 0) AS rentals,
    COALESCE(SUM($revenue), 0) AS revenue
FROM history_$table
WHERE run_id = ?
