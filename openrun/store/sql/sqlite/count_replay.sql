-- A dead letter is replayed once more.
UPDATE dead_letters SET replays = replays + 1, last_replay = :replay WHERE run_id = :run_id
