-- Notifications as those get them who try them, in the order of `rows`.
SELECT json_group_array(json(n.shown))
FROM json_each(:rows) AS s CROSS JOIN notification_rows AS n ON n.notification_id = s.value
