-- Workers, what is left of their leases in ms, and how many runs they hold.
SELECT worker, floor(extract(epoch FROM lease_until - clock_timestamp()) * 1000)::bigint AS lease_ms,
    (SELECT count(*) FROM runs WHERE runs.worker = workers.worker) AS runs, host, pid
FROM workers
ORDER BY worker;
