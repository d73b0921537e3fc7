-- Namespaces that have runs.
SELECT json_group_array(namespace) FROM namespaces
