-- Schedules that a flow has no more go, with their ticks.
WITH gone AS (
    DELETE FROM schedules
    WHERE namespace = %(namespace)s AND flow_id = %(flow_id)s AND trigger <> ALL (%(triggers)s)
    RETURNING namespace, flow_id, trigger
)
DELETE FROM ticks USING gone
WHERE ticks.namespace = gone.namespace AND ticks.flow_id = gone.flow_id AND ticks.trigger = gone.trigger;
