-- A lease ends.
DELETE FROM workers WHERE worker = %(worker)s;
