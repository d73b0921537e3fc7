-- Schedules that want to be looked at, those that are due longest first.
SELECT json_group_array(json(shown))
FROM (
  SELECT shown FROM schedule_rows
  WHERE due_at IS NOT NULL AND due_at <= :now
  ORDER BY due_at, namespace, flow_id, trigger
  LIMIT :limit
)
