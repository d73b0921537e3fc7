-- A worker's lease.
INSERT INTO workers (worker, lease_until, host, pid)
VALUES (%(worker)s, clock_timestamp() + make_interval(secs => %(seconds)s), %(host)s, %(pid)s)
ON CONFLICT (worker) DO UPDATE
SET lease_until = excluded.lease_until, host = excluded.host, pid = excluded.pid;
