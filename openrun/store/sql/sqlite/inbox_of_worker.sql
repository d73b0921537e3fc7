-- Messages that wait for the runs of a worker; most inboxes are empty, so they are looked at first.
SELECT json_group_array(json_object(
  'number', number, 'run_id', run_id, 'kind', kind, 'key', key, 'body', json(body)
))
FROM (
  SELECT i.*
  FROM inbox AS i INDEXED BY inbox_waiting CROSS JOIN runs AS r ON r.run_id = i.run_id
  WHERE i.taken_seq IS NULL AND r.worker = :worker
  ORDER BY i.number
)
