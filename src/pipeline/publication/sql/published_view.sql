-- The view of a table: the rows of the published run. Every query reads the newest publication
-- record, so all tables change together when the pointer moves.
CREATE OR REPLACE VIEW $table AS
SELECT
    $columns
FROM history_$table
WHERE run_id = (SELECT MAX_BY(run_id, published_at) FROM published_runs)
