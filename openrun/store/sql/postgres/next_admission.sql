-- When the next lane is to be looked at in which, or in whose pool, a run waits.
SELECT ready_at FROM lanes
WHERE ready_at IS NOT NULL AND (
    EXISTS (SELECT FROM tickets WHERE tickets.lane = lanes.lane AND tickets.state = 'queued')
    OR EXISTS (SELECT FROM lanes AS others WHERE others.pool = lanes.pool AND others.blocked)
)
ORDER BY ready_at
LIMIT 1;
