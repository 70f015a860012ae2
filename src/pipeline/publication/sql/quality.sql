-- How many rows of the published run were accepted or rejected, and why?
WITH published AS (
    SELECT datasets, reasons
    FROM published_runs
    ORDER BY published_at DESC
    LIMIT 1
),

dataset_counts AS (
    SELECT
        datasets[dataset_number] AS counts,
        reasons
    FROM published
    CROSS JOIN UNNEST(SEQUENCE(1, CARDINALITY(datasets))) AS numbers (dataset_number)
)

-- The publication record lists the most frequent reasons first.
SELECT
    counts.dataset AS dataset,
    counts.read AS rows_read,
    counts.accepted AS accepted,
    counts.rejected AS rejected,
    CAST(100.00 * counts.rejected / NULLIF(counts.read, 0) AS decimal(5, 2)) AS percent_rejected,
    ARRAY_JOIN(
        SLICE(
            TRANSFORM(
                FILTER(reasons, entry -> entry.dataset = counts.dataset),
                entry -> entry.reason || ' ' || CAST(entry.rows AS varchar)
            ),
            1,
            3
        ),
        ', '
    ) AS main_reasons
FROM dataset_counts
ORDER BY dataset ASC
LIMIT 10
