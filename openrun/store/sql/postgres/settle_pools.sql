-- How many turns pools have given.
UPDATE pools SET turns = given.turns
FROM unnest(%(pool)b::text[], %(turns)b::bigint[]) AS given (pool, turns)
WHERE pools.pool = given.pool;
