-- An answer; one that is under this key already stays, unless it has expired.
INSERT INTO kept_answers (scope, key, request_hash, status, headers, body, expires_at)
VALUES (:scope, :key, :request_hash, :status, :headers, :body, :expires_at)
ON CONFLICT (scope, key) DO UPDATE SET
  request_hash = excluded.request_hash, status = excluded.status, headers = excluded.headers,
  body = excluded.body, expires_at = excluded.expires_at
WHERE kept_answers.expires_at <= :now
