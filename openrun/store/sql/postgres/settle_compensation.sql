-- What a person said of a compensation that is over without success.
UPDATE compensations SET resolution = %(resolution)s, note = %(note)s, by = %(by)s
WHERE run_id = %(run_id)s AND place = %(place)b
    AND resolution IS NULL AND ended_at IS NOT NULL AND status <> 'completed';
