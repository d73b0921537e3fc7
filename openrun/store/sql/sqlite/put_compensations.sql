-- Where compensations stand; a start that is null leaves the stored one as it is, and what a person said stays.
INSERT INTO compensations (run_id, step_id, scope, status, seq, error, started_at, ended_at)
SELECT
  json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
  json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'),
  json_extract(value, '$[6]'), json_extract(value, '$[7]')
FROM (SELECT value FROM json_each(:rows) LIMIT -1)
WHERE true
ON CONFLICT (run_id, step_id, scope) DO UPDATE SET
  status = excluded.status, seq = excluded.seq, error = excluded.error,
  started_at = coalesce(excluded.started_at, started_at), ended_at = excluded.ended_at
