"""The tables of the server. Times are Unix seconds, UTC, by the server's clock unless said."""

from typing import Any

from sqlalchemy import (
    REAL,
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    literal_column,
)

VERSION = "6"
"""Raised with every change of the tables."""
GROWN_FROM = frozenset({"1", "2", "3", "4", "5"})
"""Versions that lack nothing but whole tables: their databases get these when they are opened."""
METADATA = MetaData()

# SQLite's STRICT tables know INTEGER and REAL alone; PostgreSQL must not cut either to 32 bits.
Whole = BigInteger().with_variant(Integer(), "sqlite")
Seconds: Double[float] = Double().with_variant(REAL(), "sqlite")
Truth = Whole  # 0 or 1, so that both databases compare it alike


def _table(name: str, *columns: Column[Any], comment: str, by_key: bool = False) -> Table:
    """A table; ``by_key``: SQLite keeps the rows in the key's own tree, half the pages to write."""
    return Table(
        name,
        METADATA,
        *columns,
        comment=comment,
        sqlite_strict=True,
        sqlite_with_rowid=not by_key,
    )


meta = _table(
    "meta",
    Column("name", Text, primary_key=True, comment="schema, event, policy, batch, …"),
    Column("value", Text, nullable=False),
    comment="Facts about the one event of this database",
)

counter = _table(
    "counter",
    Column("name", Text, primary_key=True, comment="what is numbered: feed, conflict, …"),
    Column("value", Whole, nullable=False, comment="the last number given"),
    comment="Numbers that only rise, given in the order of commits",
)

enrolment = _table(
    "enrolment",
    Column("digest", LargeBinary, primary_key=True, comment="BLAKE2b-256 of the one-time token"),
    Column("gate", Text, nullable=False, comment="the gate it was made for"),
    Column("expires", Seconds, nullable=False),
    Column("public_key", LargeBinary, comment="who used it; None: nobody yet"),
    comment="One-time tokens that make a device of a gate",
)

device = _table(
    "device",
    Column("device", Text, primary_key=True, comment="16 hex digits of its public key's hash"),
    Column("public_key", LargeBinary, nullable=False, unique=True, comment="Ed25519, 32 bytes"),
    Column("gate", Text, nullable=False, comment="the name in the policy and on screens"),
    Column("software", Text, nullable=False, comment="name and version, as the gate says"),
    Column("enrolled", Seconds, nullable=False),
    Column("revoked", Seconds, comment="None: may work"),
    Column("last_contact", Seconds, comment="of a heartbeat or an upload"),
    Column("health", Text, comment="JSON of the last heartbeat"),
    comment="Enrolled gates",
)

bearer = _table(
    "bearer",
    Column("digest", LargeBinary, primary_key=True, comment="BLAKE2b-256 of the bearer token"),
    Column("device", Text, ForeignKey("device.device"), nullable=False, index=True),
    Column("expires", Seconds, nullable=False),
    comment="Tokens that calls are made with",
)

nonce = _table(
    "nonce",
    Column("device", Text, ForeignKey("device.device"), primary_key=True),
    Column("nonce", LargeBinary, primary_key=True, comment="16 bytes"),
    comment="Nonces of token requests: kept for good, because a gate may not know the time",
)

statement = _table(
    "statement",
    Column("cursor", Whole, primary_key=True, comment="order of publication"),
    Column("type", Text, nullable=False, index=True, comment="keyset, policy, list or delta"),
    Column("serial", Whole, nullable=False, comment="only rises"),
    Column("digest", LargeBinary, nullable=False, comment="BLAKE2b-256 of wire"),
    Column("wire", LargeBinary, nullable=False, comment="the signed bytes"),
    Column("issued", Whole, nullable=False),
    Column("revision", Whole, nullable=False, comment="ticket changes up to here are in it"),
    Column("rows", Whole, nullable=False, comment="rows of a list, changes of a delta"),
    comment="Published statements",
)

list_body = _table(
    "list_body",
    Column("number", Whole, primary_key=True),
    Column("hash", LargeBinary, index=True, comment="BLAKE2b-256 of the rows; None: being made"),
    Column("bytes", Whole, nullable=False, comment="length of the gzip stream"),
    comment="Bodies of the last two lists",
)

list_chunk = _table(
    "list_chunk",
    Column("number", Whole, ForeignKey("list_body.number"), primary_key=True),
    Column("place", Whole, primary_key=True, comment="0, 1, …"),
    Column("data", LargeBinary, nullable=False, comment="at most 1 MiB of the gzip stream"),
    comment="Bodies in pieces, so that a list of millions never is in memory as a whole",
)

ticket = _table(
    "ticket",
    Column("key", LargeBinary, primary_key=True, comment="16-byte ticket key"),
    Column("reference", Text, nullable=False, index=True, comment="id in the organiser's books"),
    Column("product", Whole, nullable=False),
    Column("entries", Whole, nullable=False, comment="0: any number"),
    Column("flags", Whole, nullable=False, comment="tickets.rows.Status"),
    Column("valid_from", Whole, nullable=False, comment="0: no limit"),
    Column("valid_until", Whole, nullable=False, comment="0: no limit"),
    Column("revision", Whole, nullable=False, comment="number of its last single change; or 0"),
    Column("batch", Whole, nullable=False, comment="the import that last named it"),
    comment="The tickets of the event",
    by_key=True,
)
guest = _table(
    "guest",
    Column("key", LargeBinary, primary_key=True, comment="16-byte ticket key"),
    Column("sealed", LargeBinary, nullable=False, comment="96 bytes, see tickets.names"),
    comment="Names of guests; each opens with its ticket's own code alone, which is not kept here",
    by_key=True,
)

CHANGED = ticket.c.revision > literal_column("0")
"""Of millions a few were changed one by one; the index is over these alone."""
Index("ticket_changed", ticket.c.revision, sqlite_where=CHANGED, postgresql_where=CHANGED)

claim = _table(
    "claim",
    Column("presentation", LargeBinary, primary_key=True, comment="16 bytes; holds the claim"),
    Column("device", Text, ForeignKey("device.device"), nullable=False),
    Column("state", Text, nullable=False, comment="held, settled (record came) or annulled"),
    Column("ticket_key", LargeBinary, comment="None: annulled before it arrived"),
    Column("list", Text),
    Column("direction", Text, comment="entry or exit"),
    Column("at", Seconds, comment="by the gate's clock"),
    Column("gate", Text),
    comment="Claims, and the tombstones that annulments leave",
)
Index("claim_ticket", claim.c.ticket_key, claim.c.list)
Index("claim_device", claim.c.device, claim.c.state)

record = _table(
    "record",
    Column("device", Text, ForeignKey("device.device"), primary_key=True),
    Column("epoch", LargeBinary, primary_key=True, comment="8 bytes naming a journal file"),
    Column("seq", Whole, primary_key=True),
    Column("hash", LargeBinary, nullable=False, comment="chain hash, 32 bytes, verified"),
    Column("prev", LargeBinary, nullable=False, comment="hash of the record before"),
    Column("received", Seconds, nullable=False),
    Column("kind", Text, nullable=False, comment="store.records.Kind"),
    Column("presentation", LargeBinary, index=True),
    Column("body", Text, nullable=False, comment="the record as JSON"),
    comment="Journal records of all gates: kept as they came, never changed",
)

journal = _table(
    "journal",
    Column("device", Text, ForeignKey("device.device"), primary_key=True),
    Column("epoch", LargeBinary, primary_key=True),
    Column("highest", Whole, nullable=False, comment="highest seq received"),
    Column("received", Whole, nullable=False, comment="how many; fewer than highest: a gap"),
    Column("gap_since", Seconds, comment="since when records are missing; None: none is"),
    comment="How complete each gate's journal is here",
)

redemption = _table(
    "redemption",
    Column("presentation", LargeBinary, primary_key=True),
    Column("cursor", Whole, nullable=False, unique=True, comment="number of its last change"),
    Column("ticket_key", LargeBinary, nullable=False),
    Column("list", Text, nullable=False),
    Column("direction", Text, nullable=False, comment="entry or exit"),
    Column("at", Seconds, nullable=False, comment="by the gate's clock"),
    Column("gate", Text, nullable=False),
    Column("device", Text, ForeignKey("device.device"), nullable=False),
    Column("epoch", LargeBinary, nullable=False),
    Column("stands", Truth, nullable=False, comment="false: annulled"),
    comment="What the records say of each entry and exit",
)
Index("redemption_ticket", redemption.c.ticket_key, redemption.c.list)

reading = _table(
    "reading",
    Column("presentation", LargeBinary, primary_key=True, comment="of a redemption"),
    Column(
        "counter", Whole, nullable=False, comment="of the card's message, or time of the live code"
    ),
    comment="Redemptions by what counts once: a card's message, or a phone's live code",
    by_key=True,
)

conflict = _table(
    "conflict",
    Column("presentation", LargeBinary, primary_key=True, comment="the entry too many"),
    Column("other", LargeBinary, nullable=False, index=True, comment="the entry before it"),
    Column("cursor", Whole, nullable=False, unique=True, comment="number of its last change"),
    Column("ticket_key", LargeBinary, nullable=False),
    Column("list", Text, nullable=False),
    Column("found", Seconds, nullable=False),
    Column("stands", Truth, nullable=False, comment="false: one of the entries was annulled"),
    comment="Entries beyond what a ticket allows",
)
Index("conflict_ticket", conflict.c.ticket_key, conflict.c.list)

parked = _table(
    "parked",
    Column("digest", LargeBinary, primary_key=True, comment="of device, epoch and raw"),
    Column("device", Text, ForeignKey("device.device"), nullable=False),
    Column("epoch", LargeBinary, nullable=False),
    Column("seq", Whole, comment="None: it named none"),
    Column("reason", Text, nullable=False),
    Column("raw", Text, nullable=False, comment="JSON as it came, at most 64 KiB of it"),
    Column("received", Seconds, nullable=False),
    comment="Records that could not be taken; kept for a person",
)

alarm = _table(
    "alarm",
    Column("digest", LargeBinary, primary_key=True, comment="of name and detail: told once"),
    Column("name", Text, nullable=False, comment="fork, chain or gap"),
    Column("device", Text, ForeignKey("device.device"), nullable=False),
    Column("detail", Text, nullable=False),
    Column("raised", Seconds, nullable=False),
    Column("cleared", Seconds, comment="None: stands"),
    comment="What somebody must look into",
)

command = _table(
    "command",
    Column("number", Whole, primary_key=True),
    Column("device", Text, ForeignKey("device.device"), nullable=False, index=True),
    Column("body", Text, nullable=False, comment='JSON: {"do": …}'),
    Column("told_until", Seconds, comment="sent with heartbeats until then; None: not yet sent"),
    comment="What the organiser tells a gate; never release, never admit",
)

# What follows came with version 2: who works here, and what they did.

organiser = _table(
    "organiser",
    Column("name", Text, primary_key=True, comment="what a person logs in as"),
    Column("role", Text, nullable=False, comment="organiser: may change; viewer: may look"),
    Column("password", Text, comment="argon2id, as libsodium writes it; None: not chosen yet"),
    Column("secret", LargeBinary, comment="TOTP secret, sealed under the list key; None: no login"),
    Column("step", Whole, nullable=False, comment="30 s step of the last code: each works once"),
    Column("created", Seconds, nullable=False, comment="or reset: older browsers are strangers"),
    comment="People who may log in",
)

organiser_ticket = _table(
    "organiser_ticket",
    Column("digest", LargeBinary, primary_key=True, comment="BLAKE2b-256 of the one-time secret"),
    Column("name", Text, ForeignKey("organiser.name"), nullable=False, index=True),
    Column("purpose", Text, nullable=False, comment="password: choose one; login: demonstration"),
    Column("expires", Seconds, nullable=False),
    comment="One-time secrets of people",
)

organiser_session = _table(
    "organiser_session",
    Column("digest", LargeBinary, primary_key=True, comment="BLAKE2b-256 of the cookie's value"),
    Column("name", Text, ForeignKey("organiser.name"), nullable=False, index=True),
    Column("created", Seconds, nullable=False),
    Column("seen", Seconds, nullable=False, comment="last request, to the minute"),
    Column("address", Text, nullable=False, comment="network address it began from"),
    Column("browser", Text, nullable=False, comment="as the browser names itself, shortened"),
    comment="Browsers that are logged in",
)

organiser_failure = _table(
    "organiser_failure",
    Column("bucket", LargeBinary, primary_key=True, comment="hash of who tried, from where"),
    Column("failures", Whole, nullable=False, comment="in a row"),
    Column("last", Seconds, nullable=False),
    comment="Failed logins, for the back-off",
)

audit = _table(
    "audit",
    Column("number", Whole, primary_key=True),
    Column("at", Seconds, nullable=False),
    Column("person", Text, nullable=False, comment="name of an organiser, or: command line"),
    Column("action", Text, nullable=False, comment="login, cancel, revoke, import, …"),
    Column("subject", Text, nullable=False, comment="ticket, gate, person or file"),
    Column("outcome", Text, comment="done, or why not; None: it was cut off"),
    comment="Who changed what",
)

# What follows came with version 6: where journals stood by their gates' own signatures.

head = _table(
    "head",
    Column("device", Text, ForeignKey("device.device"), primary_key=True),
    Column("epoch", LargeBinary, primary_key=True, comment="8 bytes naming a journal file"),
    Column("seq", Whole, primary_key=True, comment="number of its last record; 0: empty"),
    Column("hash", LargeBinary, primary_key=True, comment="32 bytes, of that record"),
    Column("at", Whole, nullable=False, comment="by the gate's clock"),
    Column("signature", LargeBinary, nullable=False, comment="64 bytes, by the device key"),
    Column("received", Seconds, nullable=False),
    comment="The farthest head of each journal, and those whose record has not come yet",
)

evidence = _table(
    "evidence",
    Column("digest", LargeBinary, primary_key=True, comment="of alarm, what and body"),
    Column("alarm", LargeBinary, ForeignKey("alarm.digest"), nullable=False, index=True),
    Column("what", Text, nullable=False, comment="head, record or run"),
    Column("body", Text, nullable=False, comment="JSON, as it came; a head with its signature"),
    Column("received", Seconds, nullable=False),
    comment="What an alarm rests on: kept for good",
)

run = _table(
    "run",
    Column("device", Text, ForeignKey("device.device"), primary_key=True),
    Column("boot", Text, primary_key=True, comment="names one run of the gate's lane process"),
    Column("epoch", Text, nullable=False, comment="of the journal it named last, in hex"),
    Column("last", Seconds, nullable=False, comment="its last heartbeat"),
    Column("place", Whole, nullable=False, comment="rises with every change of the run heard"),
    Column("returns", Whole, nullable=False, comment="how often it came back after another"),
    comment="Runs of each gate that were heard last: two that alternate are two gates",
)

# What follows came with tickets that live on phones.

wallet = _table(
    "wallet",
    Column("digest", LargeBinary, primary_key=True, comment="BLAKE2b-256 of the link's secret"),
    Column("reference", Text, nullable=False, unique=True, comment="of the ticket"),
    Column("moves", Whole, nullable=False, comment="how often it went to another phone"),
    Column("holder_key", LargeBinary, comment="Ed25519 key of the phone; None: any picture counts"),
    Column("moved", Seconds, comment="when, last; None: never"),
    comment="Links by which guests put their tickets on their phones",
)
