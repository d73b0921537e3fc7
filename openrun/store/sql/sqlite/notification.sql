-- One notification.
SELECT shown FROM notification_rows WHERE notification_id = :notification_id
