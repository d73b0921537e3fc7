-- The answer under a key, unless it has expired.
SELECT scope, key, request_hash, status, headers, body, expires_at
FROM kept_answers
WHERE place = %(place)b AND expires_at > %(now)s;
