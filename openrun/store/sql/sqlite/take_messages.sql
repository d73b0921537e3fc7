-- Messages that were answered, each with the event that did it.
UPDATE inbox SET taken_seq = json_extract(s.value, '$[2]')
FROM json_each(:rows) AS s
WHERE number = json_extract(s.value, '$[0]') AND run_id = json_extract(s.value, '$[1]') AND taken_seq IS NULL
