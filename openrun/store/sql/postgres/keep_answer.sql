-- An answer; one that is under this key already stays, unless it has expired.
INSERT INTO kept_answers (place, scope, key, request_hash, status, headers, body, expires_at)
VALUES (
    %(place)b, %(scope)s, %(key)s, %(request_hash)s, %(status)s, %(headers)s, %(body)s, %(expires_at)s
)
ON CONFLICT (place) DO UPDATE SET
    request_hash = excluded.request_hash, status = excluded.status, headers = excluded.headers, body = excluded.body,
    expires_at = excluded.expires_at
WHERE kept_answers.expires_at <= %(now)s;
