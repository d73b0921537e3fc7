-- Admissions to lanes with a rate: `rows` holds lane and run.
INSERT INTO admissions (lane, at, run_id)
SELECT json_extract(value, '$[0]'), :now, json_extract(value, '$[1]')
FROM (SELECT value FROM json_each(:rows) LIMIT -1)
