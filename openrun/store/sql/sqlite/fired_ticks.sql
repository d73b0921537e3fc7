-- Ticks of a schedule that have fired, of those in `rows`.
SELECT json_group_array(json_array(t.tick, t.run_id))
FROM json_each(:rows) AS s
CROSS JOIN ticks AS t ON t.namespace = :namespace AND t.flow_id = :flow_id AND t.trigger = :trigger AND t.tick = s.value
WHERE t.outcome = 'fired'
