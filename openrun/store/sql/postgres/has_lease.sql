-- Whether a worker's lease is valid.
SELECT worker FROM workers WHERE worker = %(worker)s AND lease_until > clock_timestamp();
