-- When the next event may be taken.
SELECT min(due_at) FROM bus_events WHERE due_at IS NOT NULL;
