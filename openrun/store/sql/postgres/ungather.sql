-- Events that need not wait any longer.
DELETE FROM gathered
USING unnest(%(place)b::bytea[], %(mark)b::bytea[]) AS done (place, mark)
WHERE gathered.place = done.place AND gathered.mark = done.mark;
