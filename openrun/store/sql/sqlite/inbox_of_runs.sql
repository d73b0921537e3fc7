-- Messages that wait for these runs.
SELECT json_group_array(json_object(
  'number', number, 'run_id', run_id, 'kind', kind, 'key', key, 'body', json(body)
))
FROM (
  SELECT * FROM inbox
  WHERE taken_seq IS NULL AND run_id IN (SELECT value FROM json_each(:rows))
  ORDER BY number
)
