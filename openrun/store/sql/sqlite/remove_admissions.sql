-- Admissions to lanes that have gone.
DELETE FROM admissions WHERE lane IN (SELECT value FROM json_each(:rows))
