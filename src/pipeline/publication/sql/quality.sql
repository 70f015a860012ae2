-- How clean were the files of the run that readers see?
WITH shown AS (
    SELECT datasets, reasons
    FROM published_runs
    ORDER BY published_at DESC
    LIMIT 1
),

rows_of AS (
    SELECT
        datasets[place] AS counted,
        reasons
    FROM shown
    CROSS JOIN UNNEST(SEQUENCE(1, CARDINALITY(datasets))) AS places (place)
)

-- The pointer names the most frequent reasons first.
SELECT
    counted.dataset AS dataset,
    counted.read AS rows_read,
    counted.accepted AS accepted,
    counted.rejected AS rejected,
    CAST(100.0 * counted.rejected / NULLIF(counted.read, 0) AS decimal(5, 2)) AS percent_rejected,
    ARRAY_JOIN(
        SLICE(
            TRANSFORM(
                FILTER(reasons, one -> one.dataset = counted.dataset),
                one -> one.reason || ' ' || CAST(one.rows AS varchar)
            ),
            1,
            3
        ),
        ', '
    ) AS main_reasons
FROM rows_of
ORDER BY dataset ASC
