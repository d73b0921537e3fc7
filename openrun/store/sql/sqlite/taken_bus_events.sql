-- Events as those get them who took them, in the order of `rows`.
SELECT json_group_array(json(e.shown))
FROM json_each(:rows) AS s CROSS JOIN bus_event_rows AS e ON e.number = s.value
