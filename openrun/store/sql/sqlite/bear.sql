-- New runs.
INSERT INTO runs (
  run_id, flow_id, version, status, trigger, parent_run_id, replay_of, depth, created_at, updated_at, ended_at,
  error, seq, bytes, hash, worker, fence, due_at, hold, namespace
)
SELECT
  json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
  json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'),
  json_extract(value, '$[6]'), json_extract(value, '$[7]'), json_extract(value, '$[8]'),
  json_extract(value, '$[9]'), json_extract(value, '$[10]'), json_extract(value, '$[11]'),
  json_extract(value, '$[12]'), json_extract(value, '$[13]'), json_extract(value, '$[14]'),
  json_extract(value, '$[15]'), json_extract(value, '$[16]'), json_extract(value, '$[17]'),
  json_extract(value, '$[18]'), json_extract(value, '$[19]')
FROM (SELECT value FROM json_each(:rows) LIMIT -1)
