-- Leases of processes that are gone.
UPDATE workers SET lease_until = min(lease_until, :boot) WHERE worker IN (SELECT value FROM json_each(:workers))
