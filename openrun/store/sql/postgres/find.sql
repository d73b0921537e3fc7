-- Ids that begin so: between the prefix and the prefix with the greatest character after it.
SELECT run_id
FROM runs
WHERE run_id >= %(prefix)s AND run_id < %(prefix)s || U&'\+10FFFF'
ORDER BY run_id
LIMIT %(limit)s;
