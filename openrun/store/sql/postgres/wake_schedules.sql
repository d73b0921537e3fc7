-- A flow's schedules are to be looked at now; they are locked in order.
UPDATE schedules SET due_at = least(schedules.due_at, clock.now), revision = schedules.revision + 1
FROM (
    SELECT namespace, flow_id, trigger FROM schedules
    WHERE namespace = %(namespace)s AND flow_id = %(flow_id)s
    ORDER BY namespace, flow_id, trigger
    FOR UPDATE
) AS those
CROSS JOIN (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now) AS clock
WHERE schedules.namespace = those.namespace AND schedules.flow_id = those.flow_id
    AND schedules.trigger = those.trigger;
