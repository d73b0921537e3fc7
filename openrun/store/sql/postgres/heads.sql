-- How far some runs are, in the order in which they are named.
SELECT runs.run_id, runs.seq, runs.status,
    coalesce((SELECT max(progress.number) FROM progress WHERE progress.run_id = runs.run_id), 0)
FROM unnest(%(run_ids)s::text[]) WITH ORDINALITY AS asked (run_id, position)
JOIN runs ON runs.run_id = asked.run_id
WHERE %(namespace)s::text IS NULL OR runs.namespace = %(namespace)s
ORDER BY asked.position;
