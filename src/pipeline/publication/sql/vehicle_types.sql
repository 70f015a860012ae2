-- Which vehicle types are rented most often?
SELECT
    vehicle_type,
    SUM(total_rentals) AS rentals,
    SUM(total_revenue) AS revenue,
    SUM(total_rental_hours) AS hours
FROM vehicle_metrics
GROUP BY vehicle_type
ORDER BY rentals DESC, vehicle_type ASC
LIMIT 20
