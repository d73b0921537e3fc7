-- Lanes that are empty.
DELETE FROM lanes WHERE lane IN (SELECT value FROM json_each(:rows))
