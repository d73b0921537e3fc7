-- Dead letters that are being repeated; of several repeats the one given last is the newest.
UPDATE dead_letters SET replays = replays + repeated.times, last_replay = repeated.newest
FROM (
    SELECT given.dead, count(*) AS times, (array_agg(given.run_id ORDER BY given.position DESC))[1] AS newest
    FROM unnest(%(dead)b::text[], %(run_id)b::text[]) WITH ORDINALITY AS given (dead, run_id, position)
    GROUP BY given.dead
) AS repeated
WHERE dead_letters.run_id = repeated.dead;
