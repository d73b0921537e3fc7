-- Of these lanes those that nobody else is busy with.
SELECT lane FROM lanes WHERE lane = ANY (%(lanes)s) FOR UPDATE SKIP LOCKED;
