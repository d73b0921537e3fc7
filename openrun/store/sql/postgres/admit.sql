-- Runs that may start; one with a priority is taken as if it had been due before.
WITH admitted AS (
    UPDATE tickets SET state = 'running', admitted_at = %(now)s
    WHERE run_id = ANY (%(run_ids)s)
    RETURNING run_id, queued_at - turn AS ahead
)
UPDATE runs SET due_at = %(now)s::bigint - admitted.ahead, hold = NULL
FROM admitted
WHERE runs.run_id = admitted.run_id;
