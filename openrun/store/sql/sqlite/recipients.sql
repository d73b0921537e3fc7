-- The runs that messages go to, whether they are queued, and what is known under each message's key.
-- `rows` holds run id and key.
SELECT json_group_array(json_array(r.status, r.worker, r.hold, t.state = 'queued', i.kind, i.body))
FROM json_each(:rows) AS s
LEFT JOIN runs AS r ON r.run_id = json_extract(s.value, '$[0]')
LEFT JOIN tickets AS t ON t.run_id = r.run_id
LEFT JOIN inbox AS i ON i.run_id = r.run_id AND i.key = json_extract(s.value, '$[1]')
