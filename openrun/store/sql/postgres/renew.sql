-- Let a lease last from now on, and tell what was left of it, in seconds; of a lease nobody knows of, nothing.
WITH before AS (
    SELECT lease_until FROM workers WHERE worker = %(worker)s FOR NO KEY UPDATE
)
INSERT INTO workers (worker, lease_until, host, pid)
SELECT %(worker)s, clock_timestamp() + make_interval(secs => %(seconds)s), %(host)s, %(pid)s
-- Counted only so that it is looked at first.
FROM (SELECT count(*) FROM before) AS looked
ON CONFLICT (worker) DO UPDATE SET lease_until = excluded.lease_until
RETURNING (SELECT extract(epoch FROM before.lease_until - clock_timestamp())::float8 FROM before);
