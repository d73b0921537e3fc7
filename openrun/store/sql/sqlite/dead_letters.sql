-- Dead letters, newest first.
SELECT json_group_array(json(shown))
FROM (SELECT shown FROM dead_letter_rows ORDER BY failed_at DESC, run_id DESC LIMIT :limit)
