-- Compensations of a run that are none of these: `rows` holds step and scope.
DELETE FROM compensations
WHERE run_id = :run_id
  AND (step_id, scope) NOT IN (
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(:rows)
  )
