-- What is to be told of runs, one row for each subscription that wants it: `rows` holds run id, seq, type, at, data.
INSERT INTO notifications (
  notification_id, subscription_id, namespace, run_id, flow_id, seq, type, at, data, due_at
)
SELECT
  r.run_id || '-' || json_extract(s.value, '$[1]') || '-' || p.subscription_id, p.subscription_id, r.namespace,
  r.run_id, r.flow_id, json_extract(s.value, '$[1]'), json_extract(s.value, '$[2]'), json_extract(s.value, '$[3]'),
  json_extract(s.value, '$[4]'), :now
FROM json_each(:rows) AS s
CROSS JOIN runs AS r ON r.run_id = json_extract(s.value, '$[0]')
CROSS JOIN subscriptions AS p ON p.namespace = r.namespace
WHERE p.disabled_at IS NULL
  AND (p.flow_id IS NULL OR p.flow_id = r.flow_id)
  AND EXISTS (
    SELECT 1 FROM json_each(p.types) AS t
    WHERE t.value = json_extract(s.value, '$[2]')
      OR (
        substr(t.value, -1) = '*'
        AND substr(json_extract(s.value, '$[2]'), 1, length(t.value) - 1) = substr(t.value, 1, length(t.value) - 1)
      )
  )
ON CONFLICT (notification_id) DO NOTHING
