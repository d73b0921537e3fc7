-- Old ticks, the oldest first; those that are queued stay, and of each schedule the newest that has fired.
DELETE FROM ticks
WHERE (namespace, flow_id, trigger, tick) IN (
    SELECT namespace, flow_id, trigger, tick
    FROM ticks AS old
    WHERE tick < %(before)s AND outcome <> 'queued' AND (
        outcome <> 'fired' OR EXISTS (
            SELECT FROM ticks AS newer
            WHERE newer.namespace = old.namespace AND newer.flow_id = old.flow_id AND newer.trigger = old.trigger
                AND newer.outcome = 'fired' AND newer.tick > old.tick
        )
    )
    ORDER BY tick
    LIMIT %(limit)s
    FOR UPDATE OF old SKIP LOCKED
);
