-- Messages, in the order in which they came.
INSERT INTO inbox (run_id, key, kind, body)
SELECT
  json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), json_extract(value, '$[3]')
FROM json_each(:rows)
ORDER BY key
