-- The version that new runs of a flow have in place of the one that they had.
UPDATE flows SET version = %(version)s
WHERE namespace = %(namespace)s AND flow_id = %(flow_id)s AND version = %(expected)s;
