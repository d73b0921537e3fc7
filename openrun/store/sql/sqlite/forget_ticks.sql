-- Ticks that are old, some at a time; what still waits stays, and the newest of each schedule that has fired.
DELETE FROM ticks
WHERE (namespace, flow_id, trigger, tick) IN (
  SELECT namespace, flow_id, trigger, tick FROM ticks AS t
  WHERE tick < :before AND outcome <> 'queued'
    AND (
      outcome <> 'fired'
      OR tick < (
        SELECT max(q.tick) FROM ticks AS q
        WHERE q.namespace = t.namespace AND q.flow_id = t.flow_id AND q.trigger = t.trigger AND q.outcome = 'fired'
      )
    )
  ORDER BY tick
  LIMIT :limit
)
