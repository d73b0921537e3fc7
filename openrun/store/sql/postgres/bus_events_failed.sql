-- What is to become of events that could not be handled, unless they were; locked in order.
UPDATE bus_events SET
    due_at = failed.due_at, attempts = failed.attempts, dead_at = failed.dead_at, error = failed.error
FROM (
    SELECT number FROM bus_events
    WHERE number = ANY (%(number)b::bigint[]) AND handled_at IS NULL
    ORDER BY number
    FOR UPDATE
) AS open
JOIN unnest(
    %(number)b::bigint[], %(due_at)b::bigint[], %(attempts)b::integer[], %(dead_at)b::bigint[], %(error)b::text[]
) AS failed (number, due_at, attempts, dead_at, error) ON failed.number = open.number
WHERE bus_events.number = open.number;
