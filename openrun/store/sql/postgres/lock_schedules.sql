-- The revisions of these schedules; nobody else changes them until this transaction ends. Locked in order.
SELECT schedules.namespace, schedules.flow_id, schedules.trigger, schedules.revision
FROM unnest(%(namespace)b::text[], %(flow_id)b::text[], %(trigger)b::text[]) AS moved (namespace, flow_id, trigger)
JOIN schedules ON schedules.namespace = moved.namespace AND schedules.flow_id = moved.flow_id
    AND schedules.trigger = moved.trigger
ORDER BY schedules.namespace, schedules.flow_id, schedules.trigger
FOR UPDATE OF schedules;
