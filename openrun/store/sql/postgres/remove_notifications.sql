-- What a subscription that is gone was told, and what it was to be told.
DELETE FROM notifications WHERE subscription_id = %(subscription_id)s;
