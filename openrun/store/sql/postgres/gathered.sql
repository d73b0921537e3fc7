-- Events that wait for others with the same trigger and key, in the order in which they were kept.
SELECT namespace, flow_id, trigger, key, part, source, event_id, at, expires_at, body
FROM gathered
WHERE place = %(place)b AND expires_at > %(at)s
ORDER BY number;
