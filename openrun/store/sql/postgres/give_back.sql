-- What a worker holds is due now.
UPDATE runs SET worker = NULL, due_at = (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)
WHERE worker = %(worker)s;
