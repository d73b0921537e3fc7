-- What came from outside and started runs.
INSERT INTO deliveries (
    run_id, namespace, flow_id, trigger, received_at, method, path, delivery_id, digest, size, remote, replay_of
)
SELECT *
FROM unnest(
    %(run_id)b::text[], %(namespace)b::text[], %(flow_id)b::text[], %(trigger)b::text[], %(received_at)b::bigint[],
    %(method)b::text[], %(path)b::text[], %(delivery_id)b::text[], %(digest)b::text[], %(size)b::bigint[],
    %(remote)b::text[], %(replay_of)b::text[]
);
