-- The wall clock, and which of these workers have a valid lease; asked once the runs are locked.
SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint,
    ARRAY(SELECT worker FROM workers WHERE worker = ANY (%(workers)s) AND lease_until > clock_timestamp());
