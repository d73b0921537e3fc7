-- Runs with another status, runs that are given back (due at once when a message waits), and runs that have ended.
UPDATE runs SET
  status = s.status,
  ended_at = s.ended_at,
  worker = CASE WHEN s.free THEN NULL ELSE runs.worker END,
  due_at = CASE
    WHEN s.wakes AND EXISTS (SELECT 1 FROM inbox AS i WHERE i.run_id = s.run_id AND i.taken_seq IS NULL)
      THEN min(:now, coalesce(s.due_at, :now))
    ELSE s.due_at
  END,
  hold = s.hold
FROM (
  SELECT
    json_extract(value, '$[0]') AS run_id,
    json_extract(value, '$[1]') AS status,
    json_extract(value, '$[2]') AS ended_at,
    json_extract(value, '$[3]') AS free,
    json_extract(value, '$[4]') AS due_at,
    json_extract(value, '$[5]') AS hold,
    json_extract(value, '$[6]') AS wakes
  FROM json_each(:rows)
) AS s
WHERE runs.run_id = s.run_id
