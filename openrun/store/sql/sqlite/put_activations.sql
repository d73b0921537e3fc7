-- Where activations stand: a row for each run; an attempt or a start that is null leaves the stored one as it is.
INSERT INTO activations (run_id, step_id, scope, status, attempt, seq, started_at, due_at, ended_at, error)
SELECT
  run_id,
  json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
  json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'),
  json_extract(value, '$[6]'), json_extract(value, '$[7]'), json_extract(value, '$[8]')
FROM (
  SELECT s.run_id, a.value
  FROM (
    SELECT json_extract(value, '$[0]') AS run_id, json_extract(value, '$[1]') AS its
    FROM (SELECT value FROM json_each(:rows) LIMIT -1)
    LIMIT -1
  ) AS s, json_each(s.its) AS a
  LIMIT -1
)
WHERE true
ON CONFLICT (run_id, step_id, scope) DO UPDATE SET
  status = excluded.status,
  attempt = coalesce(excluded.attempt, attempt),
  seq = excluded.seq,
  started_at = coalesce(excluded.started_at, started_at),
  due_at = excluded.due_at,
  ended_at = excluded.ended_at,
  error = excluded.error
