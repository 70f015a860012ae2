-- Which users spend the most?
SELECT
    user_id,
    total_spending AS spending,
    total_transactions AS rentals,
    average_transaction AS average
FROM user_metrics
ORDER BY total_spending DESC, user_id ASC
LIMIT 5
