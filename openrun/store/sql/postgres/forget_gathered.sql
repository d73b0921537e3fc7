-- Gathered events whose time is over.
DELETE FROM gathered
WHERE (place, mark) IN (
    SELECT place, mark FROM gathered WHERE expires_at < %(before)s ORDER BY expires_at LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
);
