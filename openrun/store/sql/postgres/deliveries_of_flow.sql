-- Deliveries that started a flow, newest first; see runs_by_status.
SELECT newest.*
FROM (
    SELECT namespace FROM namespaces WHERE %(namespace)s::text IS NULL
    UNION ALL
    SELECT %(namespace)s::text WHERE %(namespace)s::text IS NOT NULL
) AS place
CROSS JOIN LATERAL (
    SELECT run_id, deliveries.namespace, flow_id, trigger, received_at, method, path, delivery_id, digest, size,
        remote, replay_of
    FROM deliveries
    WHERE deliveries.namespace = place.namespace
        AND (deliveries.flow_id, deliveries.run_id) < (%(flow_id)s, coalesce(%(before)s, U&'\+10FFFF'))
        AND (deliveries.flow_id, deliveries.run_id) >= (%(flow_id)s, '')
    ORDER BY deliveries.flow_id DESC, deliveries.run_id DESC
    LIMIT %(limit)s
) AS newest
ORDER BY run_id DESC
LIMIT %(limit)s;
