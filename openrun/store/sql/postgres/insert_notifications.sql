-- What those are to be told who want to be: one for each notice and subscription. Subscriptions stay until this is written,
-- or are gone already. Where there are none, nothing else is looked at.
INSERT INTO notifications (
    notification_id, subscription_id, namespace, run_id, flow_id, seq, type, at, data, attempts, due_at, delivered_at,
    dead_at, last_status, error
)
SELECT told.run_id || '-' || told.seq || '-' || wanted.subscription_id, wanted.subscription_id, runs.namespace,
    told.run_id, runs.flow_id, told.seq, told.type, told.at, told.data, 0, %(now)s, NULL, NULL, NULL, NULL
FROM unnest(
    %(run_id)b::text[], %(seq)b::integer[], %(type)b::text[], %(at)b::bigint[], %(data)b::text[]
) AS told (run_id, seq, type, at, data)
JOIN runs ON runs.run_id = told.run_id
JOIN subscriptions AS wanted ON wanted.namespace = runs.namespace AND wanted.disabled_at IS NULL
    AND (wanted.flow_id IS NULL OR wanted.flow_id = runs.flow_id)
    AND EXISTS (
        SELECT FROM unnest(wanted.types) AS each (type)
        WHERE each.type = told.type OR (each.type LIKE '%%*' AND starts_with(told.type, left(each.type, -1)))
    )
WHERE EXISTS (SELECT FROM subscriptions)
ORDER BY wanted.subscription_id, told.run_id, told.seq
FOR KEY SHARE OF wanted
ON CONFLICT (notification_id) DO NOTHING;
