-- Workers that left nothing behind and have not been heard of for a day.
DELETE FROM workers
WHERE lease_until < clock_timestamp() - interval '1 day'
    AND NOT EXISTS (SELECT FROM runs WHERE runs.worker = workers.worker);
