-- Number and hash of the last audit row.
SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1;
