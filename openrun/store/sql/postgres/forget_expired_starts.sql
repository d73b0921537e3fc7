-- Keys whose time is over.
DELETE FROM dedupe WHERE expires_at <= (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint);
