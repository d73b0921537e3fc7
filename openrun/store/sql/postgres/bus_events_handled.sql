-- Events that are done with; locked in order, so that two who say so never wait for each other.
UPDATE bus_events SET handled_at = %(now)s, due_at = NULL, dead_at = NULL
FROM (
    SELECT number FROM bus_events
    WHERE number = ANY (%(numbers)s) AND handled_at IS NULL
    ORDER BY number
    FOR UPDATE
) AS done
WHERE bus_events.number = done.number;
