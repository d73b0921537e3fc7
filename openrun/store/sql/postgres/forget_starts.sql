-- Keys whose time is over may be used again.
DELETE FROM dedupe WHERE place = ANY (%(places)b);
