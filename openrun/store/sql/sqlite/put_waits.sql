-- What runs wait for, whole.
INSERT INTO waits (
  wait_id, run_id, step_id, scope, kind, name, correlation, title, ask, created_at, expires_at, closed_at, outcome
)
SELECT
  json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
  json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'),
  json_extract(value, '$[6]'), json_extract(value, '$[7]'), json_extract(value, '$[8]'),
  json_extract(value, '$[9]'), json_extract(value, '$[10]'), json_extract(value, '$[11]'),
  json_extract(value, '$[12]')
FROM (SELECT value FROM json_each(:rows) LIMIT -1)
WHERE true
ON CONFLICT (wait_id, run_id) DO UPDATE SET
  step_id = excluded.step_id, scope = excluded.scope, kind = excluded.kind, name = excluded.name,
  correlation = excluded.correlation, title = excluded.title, ask = excluded.ask, created_at = excluded.created_at,
  expires_at = excluded.expires_at, closed_at = excluded.closed_at, outcome = excluded.outcome
