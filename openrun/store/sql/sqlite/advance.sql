-- Runs that have new events; no column of an index is among these.
UPDATE runs SET
  bytes = runs.bytes + s.bytes,
  seq = s.seq,
  hash = s.hash,
  updated_at = s.updated_at,
  error = s.error
FROM (
  SELECT
    json_extract(value, '$[0]') AS run_id,
    json_extract(value, '$[1]') AS bytes,
    json_extract(value, '$[2]') AS seq,
    json_extract(value, '$[3]') AS hash,
    json_extract(value, '$[4]') AS updated_at,
    json_extract(value, '$[5]') AS error
  FROM json_each(:rows)
) AS s
WHERE runs.run_id = s.run_id
