-- One event.
SELECT shown FROM bus_event_rows WHERE number = :number
