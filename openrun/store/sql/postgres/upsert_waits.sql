-- What runs wait for, whole.
INSERT INTO waits (
    wait_id, run_id, step_id, scope, kind, name, topic, correlation, subject, title, ask, created_at, expires_at,
    closed_at, outcome
)
SELECT *
FROM unnest(
    %(wait_id)b::text[], %(run_id)b::text[], %(step_id)b::text[], %(scope)b::text[], %(kind)b::text[],
    %(name)b::text[], %(topic)b::bytea[], %(correlation)b::text[], %(subject)b::bytea[], %(title)b::text[],
    %(ask)b::text[], %(created_at)b::bigint[], %(expires_at)b::bigint[], %(closed_at)b::bigint[],
    %(outcome)b::text[]
)
ON CONFLICT (wait_id, run_id) DO UPDATE SET
    step_id = excluded.step_id,
    scope = excluded.scope,
    kind = excluded.kind,
    name = excluded.name,
    topic = excluded.topic,
    correlation = excluded.correlation,
    subject = excluded.subject,
    title = excluded.title,
    ask = excluded.ask,
    created_at = excluded.created_at,
    expires_at = excluded.expires_at,
    closed_at = excluded.closed_at,
    outcome = excluded.outcome;
