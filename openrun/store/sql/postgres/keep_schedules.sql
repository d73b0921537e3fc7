-- The schedules of a flow's current version; one that fires as before goes on where it was.
INSERT INTO schedules (
    namespace, flow_id, trigger, version, spec, cursor, due_at, revision, created_at, paused_at, paused_by
)
SELECT namespace, flow_id, trigger, version, spec, cursor, due_at, revision, created_at, paused_at, paused_by
FROM unnest(
    %(namespace)b::text[], %(flow_id)b::text[], %(trigger)b::text[], %(version)b::text[], %(spec)b::text[],
    %(cursor)b::bigint[], %(due_at)b::bigint[], %(revision)b::bigint[], %(created_at)b::bigint[],
    %(paused_at)b::bigint[], %(paused_by)b::text[]
) AS fresh (
    namespace, flow_id, trigger, version, spec, cursor, due_at, revision, created_at, paused_at, paused_by
)
ORDER BY namespace, flow_id, trigger
ON CONFLICT (namespace, flow_id, trigger) DO UPDATE SET
    version = excluded.version,
    spec = excluded.spec,
    cursor = CASE WHEN schedules.spec = excluded.spec THEN schedules.cursor ELSE excluded.cursor END,
    due_at = CASE WHEN schedules.spec = excluded.spec THEN schedules.due_at ELSE excluded.due_at END,
    created_at = CASE WHEN schedules.spec = excluded.spec THEN schedules.created_at ELSE excluded.created_at END,
    revision = schedules.revision + 1
WHERE (schedules.version, schedules.spec) <> (excluded.version, excluded.spec);
