-- Number and hash of the last audit row.
SELECT json_array(number, hash) FROM audit WHERE number = (SELECT max(number) FROM audit)
