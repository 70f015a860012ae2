-- What does each vehicle type and brand earn?
SELECT
    SUBSTR(vehicle_type, 1, 200) AS vehicle_type,
    SUBSTR(brand, 1, 200) AS brand,
    total_rentals AS rentals,
    total_revenue AS revenue,
    total_rental_hours AS hours,
    unique_vehicles AS vehicles
FROM history_vehicle_metrics
WHERE run_id = ?
ORDER BY total_revenue DESC, vehicle_type, brand
LIMIT 200
