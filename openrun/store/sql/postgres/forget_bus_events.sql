-- Events that were handled long ago, the oldest first; what others are busy with is passed over.
DELETE FROM bus_events
WHERE number IN (
    SELECT number FROM bus_events WHERE handled_at < %(before)s ORDER BY handled_at LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
);
