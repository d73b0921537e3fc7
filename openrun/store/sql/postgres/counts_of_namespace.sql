-- How many runs of a namespace there are of each status.
SELECT status, count(*) FROM runs WHERE namespace = %(namespace)s GROUP BY status ORDER BY status;
