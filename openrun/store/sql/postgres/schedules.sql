-- Schedules, by namespace, flow and trigger.
SELECT namespace, flow_id, trigger, version, spec, cursor, due_at, revision, created_at, paused_at, paused_by, enabled,
    last_run_id, last_status, last_tick, first_queued
FROM told_schedules
WHERE (namespace, flow_id, trigger) > (%(after_namespace)s, %(after_flow)s, %(after_trigger)s)
    AND (%(namespace)s::text IS NULL OR namespace = %(namespace)s)
    AND (%(flow_id)s::text IS NULL OR flow_id = %(flow_id)s)
    AND (%(paused)s::boolean IS NULL OR (paused_at IS NOT NULL) = %(paused)s)
ORDER BY namespace, flow_id, trigger
LIMIT %(limit)s;
