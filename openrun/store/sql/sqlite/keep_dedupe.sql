-- Keys of starts; one that was there has expired.
INSERT INTO dedupe (key, payload_hash, run_id, expires_at)
SELECT
  json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), json_extract(value, '$[3]')
FROM json_each(:rows)
WHERE true
ON CONFLICT (key) DO UPDATE SET
  payload_hash = excluded.payload_hash, run_id = excluded.run_id, expires_at = excluded.expires_at
