-- Whether the triggers of a flow start runs.
UPDATE flows SET enabled = %(enabled)s WHERE namespace = %(namespace)s AND flow_id = %(flow_id)s;
