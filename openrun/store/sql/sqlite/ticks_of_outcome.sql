-- Ticks of a schedule with these outcomes, newest first: as many of each outcome as are wanted in all.
SELECT json_group_array(json(shown))
FROM (
  SELECT t.shown
  FROM json_each(:outcomes) AS o CROSS JOIN tick_rows AS t
  WHERE t.namespace = :namespace AND t.flow_id = :flow_id AND t.trigger = :trigger
    AND t.tick IN (
      SELECT tick FROM ticks
      WHERE namespace = :namespace AND flow_id = :flow_id AND trigger = :trigger AND outcome = o.value
        AND tick >= :since AND tick < :before
      ORDER BY tick DESC
      LIMIT :limit
    )
  ORDER BY t.tick DESC
  LIMIT :limit
)
