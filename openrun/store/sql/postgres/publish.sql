-- New events, numbered in the order in which they are given; one that is known stays as it is. They are written in the
-- order of their digests, so that two who publish the same never wait for each other.
WITH fresh AS MATERIALIZED (
    SELECT *, nextval(pg_get_serial_sequence('bus_events', 'number')) AS number
    FROM unnest(
        %(namespace)b::text[], %(place)b::bytea[], %(source)b::text[], %(event_id)b::text[], %(type)b::text[],
        %(topic)b::bytea[], %(body)b::text[], %(received_at)b::bigint[], %(due_at)b::bigint[], %(attempts)b::integer[],
        %(handled_at)b::bigint[], %(dead_at)b::bigint[], %(error)b::text[]
    ) AS given (
        namespace, place, source, event_id, type, topic, body, received_at, due_at, attempts, handled_at, dead_at, error
    )
)
INSERT INTO bus_events (
    namespace, place, source, event_id, type, topic, body, received_at, due_at, attempts, handled_at, dead_at, error,
    number
)
OVERRIDING SYSTEM VALUE
SELECT * FROM fresh
ORDER BY place, number
ON CONFLICT (place) DO NOTHING
RETURNING place, number;
