-- What is left of a worker's lease, in ms; nobody knows when the machine has started again.
SELECT CAST(lease_until - :boot AS TEXT) FROM workers WHERE worker = :worker AND boot_id = :boot_id
