-- Where schedules stand now.
UPDATE schedules SET cursor = moved.cursor, due_at = moved.due_at, revision = moved.revision
FROM unnest(
    %(namespace)b::text[], %(flow_id)b::text[], %(trigger)b::text[], %(cursor)b::bigint[], %(due_at)b::bigint[],
    %(revision)b::bigint[]
) AS moved (namespace, flow_id, trigger, cursor, due_at, revision)
WHERE schedules.namespace = moved.namespace AND schedules.flow_id = moved.flow_id
    AND schedules.trigger = moved.trigger;
