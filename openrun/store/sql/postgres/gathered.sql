-- Events that wait for others with the same trigger and key, in the order in which they were kept: of each part the first
-- 20.
WITH RECURSIVE parts (part) AS (
    SELECT min(g.part) FROM gathered AS g WHERE g.place = %(place)b
    UNION ALL
    SELECT (SELECT min(g.part) FROM gathered AS g WHERE g.place = %(place)b AND g.part > parts.part)
    FROM parts WHERE parts.part IS NOT NULL
)
SELECT
    r.namespace, r.flow_id, r.trigger, r.key, r.part, r.source, r.event_id, r.at, r.expires_at, r.body
FROM parts CROSS JOIN LATERAL (
    SELECT * FROM gathered AS g
    WHERE g.place = %(place)b AND g.part = parts.part AND g.expires_at > %(at)s
    ORDER BY g.number
    LIMIT 20
) AS r
ORDER BY r.number;
