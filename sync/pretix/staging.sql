-- What a pretix server said, as far as the gate needs it. No name, no code: tickets go by keyed hash.
-- owner: keyed hash of an order's code. key: ticket key. at: microseconds. 0 in variation, subevent,
-- valid_from, valid_until: none. Every cursor is given once and rises.
CREATE TABLE note (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE catalog (
    event TEXT NOT NULL, resource TEXT NOT NULL, modified TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (event, resource)
) WITHOUT ROWID;

CREATE TABLE product (
    number INTEGER PRIMARY KEY, event TEXT NOT NULL, item INTEGER NOT NULL,
    variation INTEGER NOT NULL, subevent INTEGER NOT NULL, UNIQUE (event, item, variation, subevent)
);

CREATE TABLE position (
    id INTEGER PRIMARY KEY, event TEXT NOT NULL, owner BLOB NOT NULL, parent INTEGER,
    key BLOB NOT NULL, product INTEGER NOT NULL, flags INTEGER NOT NULL,
    valid_from INTEGER NOT NULL, valid_until INTEGER NOT NULL, round INTEGER NOT NULL
);
CREATE INDEX position_owner ON position (event, owner);
CREATE INDEX position_key ON position (key);
CREATE INDEX position_parent ON position (parent) WHERE parent IS NOT NULL;

CREATE TABLE former (key BLOB PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE checkin (
    id INTEGER PRIMARY KEY, cursor INTEGER NOT NULL UNIQUE, position INTEGER NOT NULL,
    list INTEGER NOT NULL, direction TEXT NOT NULL, at INTEGER NOT NULL, device INTEGER,
    presentation BLOB NOT NULL, stands INTEGER NOT NULL
);
CREATE INDEX checkin_position ON checkin (position);
CREATE INDEX checkin_list ON checkin (list);

-- What this gate sent: its own check-ins come back without our name for them.
CREATE TABLE upload (
    presentation BLOB PRIMARY KEY, list INTEGER NOT NULL, direction TEXT NOT NULL, at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX upload_at ON upload (list, direction, at);

CREATE TABLE list (id INTEGER PRIMARY KEY, name TEXT NOT NULL);

-- kind: tickets.rows.Status REVOKED or BLOCKED.
CREATE TABLE secret (
    key BLOB NOT NULL, kind INTEGER NOT NULL, event TEXT NOT NULL, PRIMARY KEY (key, kind, event)
) WITHOUT ROWID;

CREATE TABLE medium (id INTEGER PRIMARY KEY, key BLOB NOT NULL, valid_until INTEGER NOT NULL);
CREATE INDEX medium_key ON medium (key);
CREATE TABLE medium_position (
    medium INTEGER NOT NULL, place INTEGER NOT NULL, position INTEGER NOT NULL,
    PRIMARY KEY (medium, place)
) WITHOUT ROWID;
CREATE INDEX medium_of ON medium_position (position);

-- The rows as they are to be published; owner: the code whose row, or whose link, it is.
CREATE TABLE row (key BLOB PRIMARY KEY, owner BLOB NOT NULL, packed BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX row_link ON row (owner) WHERE owner <> key;
CREATE TABLE changed (key BLOB PRIMARY KEY) WITHOUT ROWID;

CREATE TABLE statement (
    cursor INTEGER PRIMARY KEY, type TEXT NOT NULL, serial INTEGER NOT NULL, digest BLOB NOT NULL,
    wire BLOB NOT NULL
);
