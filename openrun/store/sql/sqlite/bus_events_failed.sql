-- Events that could not be handled: `rows` holds number, due_at, dead_at, error and attempts.
UPDATE bus_events SET
  due_at = json_extract(s.value, '$[1]'),
  dead_at = json_extract(s.value, '$[2]'),
  error = json_extract(s.value, '$[3]'),
  attempts = json_extract(s.value, '$[4]')
FROM json_each(:rows) AS s
WHERE number = json_extract(s.value, '$[0]') AND handled_at IS NULL
