-- A flow's schedules are changed by nobody else until this transaction ends; locked in order.
SELECT trigger FROM schedules
WHERE namespace = %(namespace)s AND flow_id = %(flow_id)s
ORDER BY namespace, flow_id, trigger
FOR UPDATE;
