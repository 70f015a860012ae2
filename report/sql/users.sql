-- How many users rent how often? Users with 20 rentals or more are one group.
SELECT
    LEAST(total_transactions, 20) AS rentals,
    COUNT(*) AS users,
    SUM(total_transactions) AS all_rentals
FROM history_user_metrics
WHERE run_id = ?
GROUP BY 1
ORDER BY 1
LIMIT 20
