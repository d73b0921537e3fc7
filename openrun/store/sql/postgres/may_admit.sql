-- Whether nobody else is admitting, and the wall clock; no row where no lane is to be looked at.
SELECT pg_try_advisory_xact_lock(%(lock)s), clock.now
FROM (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now) AS clock
WHERE EXISTS (SELECT FROM lanes WHERE ready_at <= clock.now);
