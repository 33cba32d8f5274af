-- The newest updates are kept whatever the clock says: they are found by our own order, not by time.

CREATE INDEX inbox_arrival ON inbox (arrival);
