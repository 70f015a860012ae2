-- Before a question: its table as it is of one run, whichever run readers see.
WITH $table AS (
    SELECT
        $columns
    FROM history_$table
    WHERE run_id = ?
)
