-- The API key with a hash.
SELECT shown FROM key_rows WHERE hash = :hash
