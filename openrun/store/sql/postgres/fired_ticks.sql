-- Which of these ticks have fired.
SELECT ticks.namespace, ticks.flow_id, ticks.trigger, ticks.tick
FROM unnest(%(namespace)b::text[], %(flow_id)b::text[], %(trigger)b::text[], %(tick)b::bigint[])
    AS asked (namespace, flow_id, trigger, tick)
JOIN ticks ON ticks.namespace = asked.namespace AND ticks.flow_id = asked.flow_id
    AND ticks.trigger = asked.trigger AND ticks.tick = asked.tick
WHERE ticks.outcome = 'fired';
