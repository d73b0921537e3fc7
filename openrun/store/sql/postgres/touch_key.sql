-- An API key was used.
UPDATE api_keys SET used_at = %(at)s WHERE key_id = %(key_id)s AND (used_at IS NULL OR used_at < %(at)s);
