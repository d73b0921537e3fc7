-- Events that may be taken, those that are due longest first.
SELECT json_group_array(number)
FROM (
  SELECT number FROM bus_events WHERE due_at IS NOT NULL AND due_at <= :now ORDER BY due_at, number LIMIT :most
)
