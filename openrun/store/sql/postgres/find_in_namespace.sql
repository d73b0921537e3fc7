-- Ids of a namespace's runs that begin so; see find.
SELECT run_id
FROM runs
WHERE (namespace, run_id) >= (%(namespace)s, %(prefix)s)
    AND (namespace, run_id) < (%(namespace)s, %(prefix)s || U&'\+10FFFF')
ORDER BY namespace, run_id
LIMIT %(limit)s;
