-- How many turns pools have given.
UPDATE pools SET turns = json_extract(s.value, '$[1]')
FROM json_each(:rows) AS s
WHERE pool = json_extract(s.value, '$[0]')
