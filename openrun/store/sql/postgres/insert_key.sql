-- A new API key.
INSERT INTO api_keys (key_id, namespace, name, hash, role, scopes, created_at, expires_at, revoked_at, used_at)
VALUES (
    %(key_id)s, %(namespace)s, %(name)s, %(hash)s, %(role)s, %(scopes)s, %(created_at)s, %(expires_at)s,
    %(revoked_at)s, %(used_at)s
)
ON CONFLICT DO NOTHING;
