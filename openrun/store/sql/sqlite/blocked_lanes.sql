-- Lanes that wait for room in their pools, in each pool those that were served longest ago first.
SELECT json_group_array(json_array(lane, pool))
FROM (
  SELECT l.lane, l.pool
  FROM json_each(:rows) AS s CROSS JOIN lanes AS l
  WHERE l.lane IN (SELECT lane FROM lanes WHERE pool = s.value AND blocked ORDER BY served, lane LIMIT :most)
  ORDER BY l.pool, l.served, l.lane
)
