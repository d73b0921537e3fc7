-- Nobody else adds to the audit log until this transaction ends.
SELECT pg_advisory_xact_lock(7736311982041660515);
