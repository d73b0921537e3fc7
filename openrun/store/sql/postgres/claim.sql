-- Runs that are due, those that are due longest first, and what was left behind under expired leases; rows that others
-- are busy with are passed over.
WITH due AS (
    SELECT run_id, due_at AS since, 0 AS crash
    FROM runs
    WHERE due_at <= (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)
        AND (crashes >= 2) = %(alone)s AND version <> ALL (%(without)s)
    ORDER BY due_at, run_id
    LIMIT %(most)s
    FOR UPDATE SKIP LOCKED
), expired AS MATERIALIZED (
    SELECT worker, expired_at FROM leases_expired
), left_behind AS (
    SELECT runs.run_id, expired.expired_at AS since, 1 AS crash
    FROM expired JOIN runs ON runs.worker = expired.worker
    WHERE (runs.crashes >= 1) = %(alone)s AND runs.version <> ALL (%(without)s)
    ORDER BY expired.expired_at, runs.run_id
    LIMIT %(most)s
    FOR UPDATE OF runs SKIP LOCKED
), chosen AS (
    SELECT run_id, since, crash FROM due
    UNION ALL
    SELECT run_id, since, crash FROM left_behind
    ORDER BY since, run_id
    LIMIT %(most)s
), claimed AS (
    UPDATE runs SET
        worker = %(worker)s, fence = runs.fence + 1, due_at = NULL, hold = NULL, crashes = runs.crashes + chosen.crash
    FROM chosen
    WHERE runs.run_id = chosen.run_id
    RETURNING runs.*, chosen.since
)
SELECT run_id, flow_id, version, namespace, fence, seq, hash, crashes, parent_run_id, depth, bytes
FROM claimed
ORDER BY since, run_id;
