-- Prefix of a question: restricts its table to one run, whether or not that run is published.
WITH $table AS (
    SELECT
        $columns
    FROM history_$table
    WHERE run_id = ?
)
