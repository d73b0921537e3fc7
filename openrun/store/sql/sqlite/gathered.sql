-- Events that wait for each other, in the order in which they came.
SELECT json_group_array(json(shown))
FROM (
  SELECT shown FROM gathered_rows
  WHERE namespace = :namespace AND flow_id = :flow_id AND trigger = :trigger AND key = :key AND expires_at > :at
  ORDER BY number
)
