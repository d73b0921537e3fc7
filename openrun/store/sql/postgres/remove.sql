-- Runs that have ended go, with all that belongs to them; tombstones stay.
WITH gone AS (
    DELETE FROM runs
    WHERE run_id = ANY (%(run_ids)s) AND status IN ('succeeded', 'failed', 'cancelled', 'aborted')
    RETURNING run_id, flow_id, namespace, status, seq, hash
), their_events AS (
    DELETE FROM events USING gone WHERE events.run_id = gone.run_id
), their_activations AS (
    DELETE FROM activations USING gone WHERE activations.run_id = gone.run_id
), their_inboxes AS (
    DELETE FROM inbox USING gone WHERE inbox.run_id = gone.run_id
), their_waits AS (
    DELETE FROM waits USING gone WHERE waits.run_id = gone.run_id
), their_effects AS (
    DELETE FROM effects USING gone WHERE effects.run_id = gone.run_id
), their_progress AS (
    DELETE FROM progress USING gone WHERE progress.run_id = gone.run_id
), their_compensations AS (
    DELETE FROM compensations USING gone WHERE compensations.run_id = gone.run_id
), their_deliveries AS (
    DELETE FROM deliveries USING gone WHERE deliveries.run_id = gone.run_id
), their_notifications AS (
    -- What is still to be told stays.
    DELETE FROM notifications USING gone WHERE notifications.run_id = gone.run_id AND notifications.due_at IS NULL
), their_letters AS (
    DELETE FROM dead_letters USING gone WHERE dead_letters.run_id = gone.run_id
)
INSERT INTO tombstones (run_id, flow_id, namespace, status, events, hash, removed_at)
SELECT run_id, flow_id, namespace, status, seq, hash,
    (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)
FROM gone
ON CONFLICT (run_id) DO UPDATE
SET status = excluded.status, events = excluded.events, hash = excluded.hash, removed_at = excluded.removed_at
RETURNING run_id, flow_id, namespace, status, events, hash, removed_at;
