-- A worker that has left.
DELETE FROM workers WHERE worker = :worker
