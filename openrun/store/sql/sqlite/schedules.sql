-- Schedules by namespace, flow and trigger, between two places.
SELECT json_group_array(json(shown))
FROM (
  SELECT shown FROM schedule_rows
  WHERE (namespace, flow_id, trigger) > (:namespace, :flow_id, :trigger)
    AND (namespace, flow_id, trigger) < (:last_namespace, :last_flow_id, :last_trigger)
    AND (:flow IS NULL OR flow_id = :flow)
    AND (:paused IS NULL OR (paused_at IS NOT NULL) = :paused)
  ORDER BY namespace, flow_id, trigger
  LIMIT :limit
)
