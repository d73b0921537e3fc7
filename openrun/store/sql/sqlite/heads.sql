-- What is known of each slice: `slices` holds its run id, its worker, its last seq and its dedupe key.
SELECT json_group_array(json_array(
  r.status, r.worker, r.fence, r.seq, r.hash, r.crashes, r.replay_of,
  w.worker IS NOT NULL, e.hash, d.run_id, d.payload_hash
))
FROM json_each(:slices) AS s
LEFT JOIN runs AS r ON r.run_id = json_extract(s.value, '$[0]')
LEFT JOIN workers AS w
  ON w.worker = json_extract(s.value, '$[1]') AND w.boot_id = :boot_id AND w.lease_until > :boot
LEFT JOIN events AS e ON e.run_id = r.run_id AND e.seq = json_extract(s.value, '$[2]')
LEFT JOIN dedupe AS d ON d.key = json_extract(s.value, '$[3]') AND d.expires_at > :now
