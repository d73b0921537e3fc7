-- An event that waits for others; one that is known stays as it is.
INSERT INTO gathered (place, mark, namespace, flow_id, trigger, key, part, source, event_id, at, expires_at, body)
VALUES (
    %(place)b, %(mark)b, %(namespace)s, %(flow_id)s, %(trigger)s, %(key)s, %(part)s, %(source)s, %(event_id)s, %(at)s,
    %(expires_at)s, %(body)s
)
ON CONFLICT (place, mark) DO NOTHING;
