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
    WHERE (deliveries.namespace, deliveries.flow_id, deliveries.run_id)
            < (place.namespace, %(flow_id)s, coalesce(%(before)s, U&'\+10FFFF'))
        AND (deliveries.namespace, deliveries.flow_id, deliveries.run_id) >= (place.namespace, %(flow_id)s, '')
    ORDER BY deliveries.namespace DESC, deliveries.flow_id DESC, deliveries.run_id DESC
    LIMIT %(limit)s
) AS newest
ORDER BY run_id DESC
LIMIT %(limit)s;
