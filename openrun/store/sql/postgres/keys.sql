-- API keys, newest first; they are few.
SELECT key_id, namespace, name, hash, role, scopes, created_at, expires_at, revoked_at, used_at
FROM api_keys
WHERE %(namespace)s::text IS NULL OR namespace = %(namespace)s
ORDER BY created_at DESC, key_id DESC;
