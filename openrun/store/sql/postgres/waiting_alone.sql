-- How many runs that may be claimed have crashed twice or more, counting the crash that a claim would find.
SELECT (
    SELECT count(*) FROM runs
    WHERE crashes >= 2 AND version <> ALL (%(without)s) AND due_at <= (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)
) + (
    SELECT count(*) FROM leases_expired JOIN runs USING (worker) WHERE runs.crashes >= 1 AND runs.version <> ALL (%(without)s)
);
