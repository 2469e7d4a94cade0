-- mirror.db: what sync knows. sync alone writes it; scanner reads it with mode=ro. WAL, synchronous=FULL.
CREATE TABLE statement (
    cursor INTEGER PRIMARY KEY,     -- our own number, always rising; readers ask for what came after
    type TEXT NOT NULL,             -- keyset | policy | list | delta
    serial INTEGER NOT NULL,        -- serial of the statement within its type
    digest BLOB NOT NULL UNIQUE,    -- BLAKE2b-256 of what is signed: the same statement is kept once
    wire BLOB NOT NULL              -- as signed; whoever uses it verifies it again
) STRICT;
CREATE TABLE redemption (
    ticket_key BLOB NOT NULL,       -- 16 bytes
    presentation BLOB NOT NULL,     -- 16 bytes; a later row of one presentation replaces the earlier
    list TEXT NOT NULL,             -- check-in list
    direction TEXT NOT NULL,        -- entry | exit
    at REAL NOT NULL,               -- Unix seconds, UTC, by the clock of that gate
    gate TEXT NOT NULL,             -- name of the gate
    device TEXT NOT NULL,           -- device id of the gate; ours are our own scans come back
    epoch BLOB NOT NULL,            -- journal epoch of that gate, 8 bytes
    stands INTEGER NOT NULL,        -- 1: counts; 0: annulled
    counter INTEGER,                -- of the card's message that was shown; NULL: something else was
    PRIMARY KEY (ticket_key, presentation)
) WITHOUT ROWID, STRICT;
CREATE TABLE intent (
    presentation BLOB PRIMARY KEY,  -- 16 bytes; committed before its claim leaves the gate
    ticket_key BLOB NOT NULL,       -- 16 bytes
    list TEXT NOT NULL,             -- check-in list
    direction TEXT NOT NULL,        -- entry | exit
    at REAL NOT NULL,               -- Unix seconds, UTC: when the claim was asked for, by the gate's clock
    authority TEXT NOT NULL,        -- kind of the authority, e.g. admit
    epoch BLOB NOT NULL,            -- journal epoch when asked; empty: not known yet
    result TEXT,                    -- granted | taken | refused | unreachable; NULL: no answer yet
    verdict TEXT,                   -- of its scan in the journal: admitted | refused; NULL: none seen
    outcome TEXT,                   -- passage | no_passage | aborted | interrupted; NULL: none seen
    counts INTEGER,                 -- 1: the outcome leaves the entry standing; 0: it annuls; NULL: none seen
    closed TEXT,                    -- how it ended: stands | annulled | not_held | not_ours; NULL: to be settled
    ended REAL                      -- Unix seconds, UTC: when the gate knew that nobody entered; NULL: not known
) WITHOUT ROWID, STRICT;
CREATE INDEX intent_at ON intent (at);
CREATE INDEX intent_open ON intent (presentation) WHERE closed IS NULL;
CREATE TABLE acknowledged (
    epoch BLOB NOT NULL,            -- journal epoch, 8 bytes
    seq INTEGER NOT NULL,           -- a record the server answered for, beyond the cursor of its epoch
    PRIMARY KEY (epoch, seq)
) WITHOUT ROWID, STRICT;
CREATE TABLE parked (
    epoch BLOB NOT NULL,            -- journal epoch, 8 bytes
    seq INTEGER NOT NULL,           -- record the server will not take; kept, shown, never sent again
    reason TEXT NOT NULL,           -- the server's words, or fork
    entry TEXT NOT NULL,            -- the record as JSON
    PRIMARY KEY (epoch, seq)
) WITHOUT ROWID, STRICT;
CREATE TABLE conflict (
    presentation BLOB NOT NULL,     -- our entry, 16 bytes
    other BLOB NOT NULL,            -- the entry it conflicts with, 16 bytes
    ticket_key BLOB NOT NULL,       -- 16 bytes
    list TEXT NOT NULL,             -- check-in list
    gate TEXT NOT NULL,             -- where the other entry was
    at REAL NOT NULL,               -- when, Unix seconds, UTC
    PRIMARY KEY (presentation, other)
) WITHOUT ROWID, STRICT;
CREATE TABLE position (
    name TEXT PRIMARY KEY,          -- statements | redemptions | conflicts | records/<epoch in hex>
    value INTEGER NOT NULL          -- last cursor or seq taken; everything up to it is done
) WITHOUT ROWID, STRICT;
