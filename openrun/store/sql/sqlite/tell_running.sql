-- Running ones that were asked to make room.
UPDATE tickets SET told = 1 WHERE run_id IN (SELECT value FROM json_each(:rows))
