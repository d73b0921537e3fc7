-- One schedule.
SELECT shown FROM schedule_rows WHERE namespace = :namespace AND flow_id = :flow_id AND trigger = :trigger
