-- Admissions that no rate asks for any more.
DELETE FROM admissions
USING unnest(%(lane)b::text[], %(since)b::bigint[]) AS over (lane, since)
WHERE admissions.lane = over.lane AND admissions.at <= over.since;
