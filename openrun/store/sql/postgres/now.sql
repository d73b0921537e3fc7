-- The server's wall clock, in ms since 1970.
SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint;
