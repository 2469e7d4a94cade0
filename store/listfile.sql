-- list-<serial>.db: one list of an event. Written once, aside, renamed into place, never changed.
CREATE TABLE meta (
    name TEXT PRIMARY KEY,      -- serial | rows
    value INTEGER NOT NULL      -- serial of the list statement | number of tickets
) WITHOUT ROWID, STRICT;
CREATE TABLE ticket (
    key BLOB PRIMARY KEY,       -- ticket key, 16 bytes: keyed BLAKE2b, says nothing without the event key
    product INTEGER NOT NULL,   -- number of the product that was sold
    entries INTEGER NOT NULL,   -- entries allowed; 0 = any number
    flags INTEGER NOT NULL,     -- tickets.rows.Status
    valid_from INTEGER NOT NULL,    -- Unix seconds; 0 = no limit
    valid_until INTEGER NOT NULL    -- Unix seconds; 0 = no limit
) WITHOUT ROWID, STRICT;        -- no rowid: one tree, 38 MB a million, half the pages of a cold look-up
