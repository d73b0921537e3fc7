-- Messages that these runs have got under these keys before, answered or not.
SELECT inbox.run_id, inbox.place, inbox.kind, inbox.body
FROM unnest(%(run_ids)b::text[], %(places)b::bytea[]) AS asked (run_id, place)
JOIN inbox ON inbox.run_id = asked.run_id AND inbox.place = asked.place;
