-- Events in the order in which they came; one that is known stays as it is.
INSERT INTO bus_events (namespace, source, event_id, type, body, received_at, due_at, attempts)
SELECT
  json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
  json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'),
  json_extract(value, '$[6]'), json_extract(value, '$[7]')
FROM json_each(:rows)
WHERE true
ORDER BY key
ON CONFLICT (namespace, source, event_id) DO NOTHING
