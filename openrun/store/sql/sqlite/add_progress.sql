-- What steps reported, in the order in which they did.
INSERT INTO progress (run_id, step_id, scope, attempt, at, data)
SELECT
  json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
  json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]')
FROM (SELECT key, value FROM json_each(:rows) LIMIT -1)
ORDER BY key
