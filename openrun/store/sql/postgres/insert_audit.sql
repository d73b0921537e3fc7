-- Audit rows, each linked to the one before.
INSERT INTO audit (
    number, at, namespace, actor, actor_id, role, action, resource, status, request_id, remote, details, hash
)
SELECT *
FROM unnest(
    %(number)b::bigint[], %(at)b::bigint[], %(namespace)b::text[], %(actor)b::text[], %(actor_id)b::text[],
    %(role)b::text[], %(action)b::text[], %(resource)b::text[], %(status)b::integer[], %(request_id)b::text[],
    %(remote)b::text[], %(details)b::text[], %(hash)b::text[]
);
