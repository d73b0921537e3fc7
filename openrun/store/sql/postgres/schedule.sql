-- A schedule.
SELECT namespace, flow_id, trigger, version, spec, cursor, due_at, revision, created_at, paused_at, paused_by, enabled,
    last_run_id, last_status, last_tick, first_queued
FROM told_schedules
WHERE namespace = %(namespace)s AND flow_id = %(flow_id)s AND trigger = %(trigger)s;
