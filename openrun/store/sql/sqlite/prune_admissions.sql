-- Admissions that no rate asks for any more: `rows` holds lanes, each with the last instant that is forgotten.
DELETE FROM admissions
WHERE (lane, at, run_id) IN (
  SELECT a.lane, a.at, a.run_id
  FROM json_each(:rows) AS s CROSS JOIN admissions AS a
  WHERE a.lane = json_extract(s.value, '$[0]') AND a.at <= json_extract(s.value, '$[1]')
)
