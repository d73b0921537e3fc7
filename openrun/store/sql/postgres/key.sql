-- The API key with a hash.
SELECT key_id, namespace, name, hash, role, scopes, created_at, expires_at, revoked_at, used_at
FROM api_keys
WHERE hash = %(hash)s;
