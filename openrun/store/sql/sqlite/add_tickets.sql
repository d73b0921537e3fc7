-- Tickets of runs that are born in a queue.
INSERT INTO tickets (run_id, lane, pool, turn, queued_at, state)
SELECT
  json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
  :now - json_extract(value, '$[3]'), :now, 'queued'
FROM (SELECT value FROM json_each(:rows) LIMIT -1)
