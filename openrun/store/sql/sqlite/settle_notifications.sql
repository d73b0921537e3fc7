-- What became of attempts; what was delivered stays so.
-- `rows` holds id, due_at, delivered_at, dead_at, last_status and error.
UPDATE notifications SET
  due_at = json_extract(s.value, '$[1]'),
  delivered_at = json_extract(s.value, '$[2]'),
  dead_at = json_extract(s.value, '$[3]'),
  last_status = json_extract(s.value, '$[4]'),
  error = json_extract(s.value, '$[5]')
FROM json_each(:rows) AS s
WHERE notification_id = json_extract(s.value, '$[0]') AND delivered_at IS NULL
