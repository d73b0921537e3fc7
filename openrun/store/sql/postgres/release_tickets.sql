-- Tickets of runs that have ended go, their lanes are to be looked at anew, and who may look is told. Lanes are locked in
-- order. They are made ready whatever waits in them: what is seen here of others who wait may be old.
WITH gone AS (
    DELETE FROM tickets WHERE run_id = ANY (%(run_ids)s) AND EXISTS (SELECT FROM tickets)
    RETURNING lane
), those AS (
    SELECT lane FROM lanes WHERE lane = ANY (ARRAY(SELECT gone.lane FROM gone)) ORDER BY lane FOR UPDATE
), freed AS (
    UPDATE lanes SET ready_at = least(lanes.ready_at, %(now)s)
    FROM those
    WHERE lanes.lane = those.lane
    RETURNING lanes.lane
)
SELECT pg_notify('openrun', '') WHERE EXISTS (SELECT FROM freed);
