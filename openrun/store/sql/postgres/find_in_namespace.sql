-- Ids of a namespace's runs that begin so; see find.
SELECT run_id
FROM runs
WHERE namespace = %(namespace)s AND run_id >= %(prefix)s AND run_id < %(prefix)s || U&'\+10FFFF'
ORDER BY run_id
LIMIT %(limit)s;
