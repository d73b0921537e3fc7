-- Lanes that are to be looked at, those that are ready longest first; what others are busy with becomes ready by them.
SELECT lane, pool FROM lanes
WHERE ready_at <= %(now)s
ORDER BY ready_at, served, lane
LIMIT %(most)s
FOR UPDATE SKIP LOCKED;
