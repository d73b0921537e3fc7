-- A hint to workers that there is something to do.
SELECT pg_notify('openrun', '');
