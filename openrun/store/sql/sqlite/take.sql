-- Runs that a worker takes: `rows` holds run ids, each with how many crashes that adds.
UPDATE runs SET
  worker = :worker,
  fence = fence + 1,
  crashes = crashes + json_extract(s.value, '$[1]'),
  due_at = NULL,
  hold = NULL
FROM json_each(:rows) AS s
WHERE run_id = json_extract(s.value, '$[0]')
