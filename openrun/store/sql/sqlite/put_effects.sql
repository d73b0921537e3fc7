-- What is known of effects; a start, a value or a hash of arguments that is null leaves the stored one as it is.
INSERT INTO effects (
  key, run_id, step_id, scope, name, ordinal, effect, status, attempt, seq, args_hash, value, error, "by",
  started_at, ended_at
)
SELECT
  json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
  json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'),
  json_extract(value, '$[6]'), json_extract(value, '$[7]'), json_extract(value, '$[8]'),
  json_extract(value, '$[9]'), json_extract(value, '$[10]'), json_extract(value, '$[11]'),
  json_extract(value, '$[12]'), json_extract(value, '$[13]'), json_extract(value, '$[14]'),
  json_extract(value, '$[15]')
FROM (SELECT value FROM json_each(:rows) LIMIT -1)
WHERE true
ON CONFLICT (key, run_id) DO UPDATE SET
  step_id = excluded.step_id, scope = excluded.scope, name = excluded.name, ordinal = excluded.ordinal,
  effect = excluded.effect, status = excluded.status, attempt = excluded.attempt, seq = excluded.seq,
  args_hash = coalesce(excluded.args_hash, args_hash), value = coalesce(excluded.value, value),
  error = excluded.error, "by" = excluded."by", started_at = coalesce(excluded.started_at, started_at),
  ended_at = excluded.ended_at
