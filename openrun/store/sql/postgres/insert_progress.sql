-- What steps reported, numbered in the order in which it is given.
INSERT INTO progress (run_id, step_id, scope, attempt, at, data)
SELECT given.run_id, given.step_id, given.scope, given.attempt, given.at, given.data
FROM unnest(
    %(run_id)b::text[], %(step_id)b::text[], %(scope)b::text[], %(attempt)b::integer[], %(at)b::bigint[],
    %(data)b::text[]
) WITH ORDINALITY AS given (run_id, step_id, scope, attempt, at, data, position)
ORDER BY given.position;
