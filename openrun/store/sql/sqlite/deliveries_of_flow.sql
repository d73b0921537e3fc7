-- Deliveries that started a flow, newest first: as many of each namespace as are wanted in all.
SELECT json_group_array(json(shown))
FROM (
  SELECT d.shown
  FROM json_each(:namespaces) AS n CROSS JOIN delivery_rows AS d
  WHERE d.run_id IN (
    SELECT run_id FROM deliveries
    WHERE namespace = n.value AND flow_id = :flow_id AND run_id < :before
    ORDER BY run_id DESC
    LIMIT :limit
  )
  ORDER BY d.run_id DESC
  LIMIT :limit
)
