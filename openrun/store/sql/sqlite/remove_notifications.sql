-- Whatever was, or is to be, told to a subscriber.
DELETE FROM notifications WHERE subscription_id = :subscription_id
