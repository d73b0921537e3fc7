-- Effects, newest first.
SELECT json_group_array(json(shown))
FROM (SELECT shown FROM effect_rows ORDER BY age DESC, key DESC LIMIT :limit)
