-- An API key was used.
UPDATE api_keys SET used_at = :at WHERE key_id = :key_id AND (used_at IS NULL OR used_at < :at)
