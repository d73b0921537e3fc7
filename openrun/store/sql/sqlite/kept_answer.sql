-- The answer under a key, unless it has expired.
SELECT json_object(
  'scope', scope, 'key', key, 'request_hash', request_hash, 'status', status, 'headers', headers, 'body', body,
  'expires_at', expires_at
)
FROM kept_answers
WHERE scope = :scope AND key = :key AND expires_at > :now
