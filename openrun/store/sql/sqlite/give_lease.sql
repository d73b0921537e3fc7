-- A worker's lease, new or renewed.
INSERT INTO workers (worker, lease_until, boot_id, host, pid) VALUES (:worker, :until, :boot_id, :host, :pid)
ON CONFLICT (worker) DO UPDATE SET
  lease_until = excluded.lease_until, boot_id = excluded.boot_id, host = excluded.host, pid = excluded.pid
