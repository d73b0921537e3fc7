-- What became of attempts; what was delivered stays so. Locked in order, so that two who settle never wait for each other.
UPDATE notifications SET
    due_at = settled.due_at, delivered_at = settled.delivered_at, dead_at = settled.dead_at,
    last_status = settled.last_status, error = settled.error
FROM (
    SELECT notification_id FROM notifications
    WHERE notification_id = ANY (%(notification_id)b::text[]) AND delivered_at IS NULL
    ORDER BY notification_id
    FOR UPDATE
) AS open
JOIN unnest(
    %(notification_id)b::text[], %(due_at)b::bigint[], %(delivered_at)b::bigint[], %(dead_at)b::bigint[],
    %(last_status)b::integer[], %(error)b::text[]
) AS settled (notification_id, due_at, delivered_at, dead_at, last_status, error)
    ON settled.notification_id = open.notification_id
WHERE notifications.notification_id = open.notification_id;
