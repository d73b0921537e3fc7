-- Lanes that wait for room in pools that have some.
UPDATE lanes SET ready_at = :now
WHERE lane IN (
  SELECT l.lane
  FROM json_each(:rows) AS s CROSS JOIN lanes AS l
  WHERE l.lane IN (SELECT lane FROM lanes WHERE pool = s.value AND blocked ORDER BY served, lane LIMIT :most)
)
