-- Numbers of events, in the order of `rows`, which holds namespace, source and id.
SELECT json_group_array((
  SELECT e.number FROM bus_events AS e
  WHERE e.namespace = json_extract(s.value, '$[0]')
    AND e.source = json_extract(s.value, '$[1]')
    AND e.event_id = json_extract(s.value, '$[2]')
))
FROM json_each(:rows) AS s
