-- Keys of starts that may be used again.
DELETE FROM dedupe WHERE key IN (SELECT key FROM dedupe WHERE expires_at <= :now LIMIT 10000)
