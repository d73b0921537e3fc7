-- A new API key.
INSERT INTO api_keys (
  key_id, namespace, name, hash, role, scopes, created_at, expires_at, revoked_at, used_at
)
VALUES (
  :key_id, :namespace, :name, :hash, :role, :scopes, :created_at, :expires_at, :revoked_at, :used_at
)
ON CONFLICT DO NOTHING
