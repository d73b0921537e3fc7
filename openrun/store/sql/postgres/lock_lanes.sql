-- The lanes of new runs and of runs that have ended; locked in order, so that two transactions never wait for each other.
SELECT lane FROM lanes
WHERE lane = ANY (%(lanes)s || ARRAY(SELECT tickets.lane FROM tickets WHERE tickets.run_id = ANY (%(run_ids)s)))
ORDER BY lane
FOR UPDATE;
