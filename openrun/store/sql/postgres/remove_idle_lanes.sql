-- Empty lanes that nothing asks for any more go, some at a time, with what is known of their admissions.
WITH gone AS (
    DELETE FROM lanes
    WHERE lane IN (
        SELECT lane FROM lanes WHERE idle_at <= %(now)s AND ready_at IS NULL ORDER BY idle_at LIMIT %(most)s
        FOR UPDATE SKIP LOCKED
    )
    RETURNING lane
)
DELETE FROM admissions USING gone WHERE admissions.lane = gone.lane;
