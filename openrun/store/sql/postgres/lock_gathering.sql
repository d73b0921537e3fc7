-- Of those who gather for the same trigger and key, one at a time: so the last of them sees all.
SELECT pg_advisory_xact_lock(%(lock)s);
