-- Events that wait for each other, in the order in which they came: of each part the first 20.
WITH RECURSIVE parts (part) AS (
  SELECT min(part) FROM gathered
  WHERE namespace = :namespace AND flow_id = :flow_id AND trigger = :trigger AND key = :key
  UNION ALL
  SELECT (
    SELECT min(g.part) FROM gathered AS g
    WHERE g.namespace = :namespace AND g.flow_id = :flow_id AND g.trigger = :trigger AND g.key = :key
      AND g.part > parts.part
  )
  FROM parts WHERE parts.part IS NOT NULL
)
SELECT json_group_array(json(shown))
FROM (
  SELECT r.shown
  FROM parts CROSS JOIN gathered_rows AS r ON r.number IN (
    SELECT g.number FROM gathered AS g
    WHERE g.namespace = :namespace AND g.flow_id = :flow_id AND g.trigger = :trigger AND g.key = :key
      AND g.part = parts.part AND g.expires_at > :at
    ORDER BY g.number
    LIMIT 20
  )
  ORDER BY r.number
)
