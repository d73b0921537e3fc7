-- What is on disk at these places.
SELECT events.run_id, events.seq, events.fence, events.hash
FROM unnest(%(run_ids)b::text[], %(seqs)b::integer[]) AS asked (run_id, seq)
JOIN events ON events.run_id = asked.run_id AND events.seq = asked.seq;
