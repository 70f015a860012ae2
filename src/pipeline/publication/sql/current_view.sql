-- A table as readers see it: the rows of the run that the newest pointer names. The pointer is read
-- anew by each query, so that all tables change together when a pointer is put.
CREATE OR REPLACE VIEW $table AS
SELECT
    $columns
FROM history_$table
WHERE run_id = (SELECT MAX_BY(run_id, published_at) FROM published_runs)
