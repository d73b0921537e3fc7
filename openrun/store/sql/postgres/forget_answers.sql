-- Answers whose time is over, some at a time; rows that others are busy with are passed over.
DELETE FROM kept_answers
WHERE place IN (
    SELECT place FROM kept_answers WHERE expires_at <= %(now)s ORDER BY expires_at LIMIT 100 FOR UPDATE SKIP LOCKED
);
