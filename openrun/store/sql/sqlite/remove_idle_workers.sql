-- Workers that let their leases expire and hold nothing.
DELETE FROM workers
WHERE (boot_id <> :boot_id OR lease_until <= :boot) AND worker NOT IN (SELECT worker FROM holders)
