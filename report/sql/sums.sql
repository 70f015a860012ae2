-- The rentals and the revenue of one table, which must be the same in all tables.
SELECT
    '$table' AS table_name,
    COUNT(*) AS row_count,
    COALESCE(SUM($rentals), 0) AS rentals,
    COALESCE(SUM($revenue), 0) AS revenue
FROM history_$table
WHERE run_id = ?
