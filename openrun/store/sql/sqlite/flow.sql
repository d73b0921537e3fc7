-- One flow.
SELECT shown FROM flow_rows WHERE namespace = :namespace AND flow_id = :flow_id
