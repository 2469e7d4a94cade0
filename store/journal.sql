-- The journal of a gate: one file per event and epoch, owned by scanner alone.
CREATE TABLE meta(
    name TEXT PRIMARY KEY,      -- event, epoch, made_at, format
    value ANY NOT NULL          -- text, 8 random bytes, Unix seconds, integer
) WITHOUT ROWID, STRICT;

CREATE TABLE records(
    seq INTEGER PRIMARY KEY,    -- 1, 2, 3, ... without a gap; never deleted, so never reused
    kind TEXT NOT NULL,         -- store.records.Kind
    presentation BLOB,          -- 16 random bytes of the showing this is about
    at REAL NOT NULL,           -- Unix seconds, UTC, as the gate read its clock
    uncertainty REAL,           -- seconds either side; NULL: not known
    clock_state TEXT NOT NULL,  -- synchronised, held, unknown
    boot BLOB NOT NULL,         -- 16 bytes: which boot `monotonic` counts from
    monotonic REAL NOT NULL,    -- seconds since that boot
    lane TEXT,                  -- name of the lane
    event TEXT,                 -- name of the event
    list TEXT,                  -- check-in list
    medium TEXT,                -- qr, nfc, wedge, typed
    format TEXT,                -- ad1, opaque, ...
    ticket_key BLOB,            -- 16 bytes; the ticket's only name at rest
    counter INTEGER,            -- a card's counter, when a live code was drawn, or how many codes a folded record is
    direction TEXT,             -- entry, exit
    verdict TEXT,               -- admitted, refused, checked
    reason TEXT,                -- admission.verdict.Reason
    claim TEXT,                 -- granted, taken, refused, unclaimed, none
    list_serial INTEGER,        -- the list the decision was made on
    detail TEXT NOT NULL,       -- for people; never personal data
    prev BLOB NOT NULL,         -- hash of the record before, zeros for the first
    hash BLOB NOT NULL          -- BLAKE2b-256 of this one, store.records.chain_hash
) STRICT;

-- What one ticket did: admissions and what became of them. Refusals stay out, so that a ticket
-- shown a thousand times costs no more than one shown once.
CREATE INDEX uses ON records(ticket_key)
    WHERE ticket_key IS NOT NULL AND verdict IS NOT 'refused' AND verdict IS NOT 'checked';

-- The messages of each card that were shown here, admitted or not: none works twice.
CREATE INDEX counters ON records(ticket_key, counter)
    WHERE ticket_key IS NOT NULL AND counter IS NOT NULL;

-- Outside the chain, and the only rows that are ever deleted: see store/outbox_secret.py.
CREATE TABLE outbox_secret(
    seq INTEGER PRIMARY KEY,    -- record that goes up with it
    sealed BLOB NOT NULL        -- for the server alone, see tickets.sealing
) STRICT;

CREATE TRIGGER records_are_not_changed BEFORE UPDATE ON records
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER records_are_not_deleted BEFORE DELETE ON records
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
