-- Schedules that want to be looked at, those that are due longest first.
SELECT namespace, flow_id, trigger, version, spec, cursor, due_at, revision, created_at, paused_at, paused_by, enabled,
    last_run_id, last_status, last_tick, first_queued
FROM told_schedules
WHERE due_at <= %(now)s
ORDER BY due_at, namespace, flow_id, trigger
LIMIT %(limit)s;
