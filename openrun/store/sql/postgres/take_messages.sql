-- Messages that were answered, and by which event.
UPDATE inbox SET taken_seq = taken.seq
FROM unnest(%(run_id)b::text[], %(number)b::bigint[], %(seq)b::integer[]) AS taken (run_id, number, seq)
WHERE inbox.number = taken.number AND inbox.run_id = taken.run_id AND inbox.taken_seq IS NULL;
