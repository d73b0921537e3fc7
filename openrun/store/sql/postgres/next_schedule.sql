-- When the next schedule wants to be looked at.
SELECT min(due_at) FROM schedules WHERE due_at IS NOT NULL;
