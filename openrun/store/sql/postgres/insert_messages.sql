-- New messages, numbered in the order in which they are given.
INSERT INTO inbox (run_id, place, kind, key, body)
SELECT given.run_id, given.place, given.kind, given.key, given.body
FROM unnest(
    %(run_id)b::text[], %(place)b::bytea[], %(kind)b::text[], %(key)b::text[], %(body)b::text[]
) WITH ORDINALITY AS given (run_id, place, kind, key, body, position)
ORDER BY given.position;
