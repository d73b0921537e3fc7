-- Admissions to lanes with a rate.
INSERT INTO admissions (lane, at, run_id)
SELECT lane, %(now)s, run_id FROM unnest(%(lane)b::text[], %(run_id)b::text[]) AS admitted (lane, run_id);
