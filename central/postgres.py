"""What is PostgreSQL's own: how a session is set up, and who waits for whom.

Every writer takes one lock of the database for itself alone, as SQLite has it; claims take it
together, and beside it one lock for each thing they judge. So two claims of one ticket never
overlap, in one process or in several, while those of other tickets commit side by side. The locks
end with their transaction; taken in order, they cannot wait for each other in a ring. See
docs/adr/0014-postgresql-by-locks.md.
"""

from collections.abc import Collection
from functools import cache
from hashlib import blake2b

from sqlalchemy import URL, Connection, Engine, TextClause, create_engine, text
from sqlalchemy.exc import DBAPIError

BUDGET_MS = 5000
"""How long a statement may wait for a lock."""
_SESSION = {
    "lock_timeout": BUDGET_MS,
    "idle_in_transaction_session_timeout": 30_000,  # a process that was stopped holds up no other
    "synchronous_commit": "on",  # an acknowledgement must survive a power cut
    "tcp_keepalives_idle": 10,  # nor does one whose computer is gone
    "tcp_keepalives_interval": 5,
    "tcp_keepalives_count": 2,
    "jit": "off",  # compiling takes longer than any query here
}
_CONNECT = {
    "options": " ".join(f"-c {name}={value}" for name, value in _SESSION.items()),
    "application_name": "admit-central",
    "connect_timeout": BUDGET_MS // 1000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 2 * BUDGET_MS,
}
_ALONE = text("SELECT pg_advisory_xact_lock(8470, 0)")
_BUSY = {
    "55P03",  # lock_not_available: the budget is over
    "40001",  # serialization_failure
    "40P01",  # deadlock_detected
    "53300",  # too_many_connections
}
_NO_TABLE, _NO_DATABASE = "42P01", "3D000"


def engine_for(url: URL, **pool: float) -> Engine:
    """An engine for ``url``; the extra `postgresql` has its driver.

    Raises:
        ImportError: the driver is not installed.
    """
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args=_CONNECT,
        isolation_level="READ COMMITTED",  # behind its locks a writer must see what is newest
        **pool,
    )


def reading_engine(engine: Engine) -> Engine:
    """The same connections, each transaction one snapshot."""
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def looking_engine(engine: Engine) -> Engine:
    """The same connections, each statement for itself: one message for a transaction's three."""
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def alone(connection: Connection) -> None:
    """Wait until no other writer is at work, and keep them out until the transaction ends."""
    connection.execute(_ALONE)


def together(connection: Connection, things: Collection[bytes]) -> None:
    """Wait until nobody else judges any of ``things``; others may judge other things."""
    numbers = sorted(_number(thing) for thing in things)
    named = {f"thing_{place}": number for place, number in enumerate(numbers)}
    connection.execute(_locks(tuple(named)), named)


@cache
def _locks(names: tuple[str, ...]) -> TextClause:
    """All locks by one statement: it takes them in the order in which they stand in it."""
    things = "".join(f", pg_advisory_xact_lock(:{name})" for name in names)
    return text(f"SELECT pg_advisory_xact_lock_shared(8470, 0){things}")


def _number(thing: bytes) -> int:
    """Two things with one number would but wait for each other."""
    return int.from_bytes(blake2b(thing, digest_size=8).digest(), "big", signed=True)


def is_busy(error: DBAPIError) -> bool:
    """Whether the same call may succeed in a second: a lock or a connection was not free."""
    return _state(error) in _BUSY


def remedy(error: DBAPIError) -> str:
    """What an organiser does about a database that cannot be opened."""
    known = {
        _NO_TABLE: "Make it with: admit central init",
        _NO_DATABASE: "Make it with: createdb --owner USER NAME; then: admit central init",
    }
    return known.get(_state(error), "Check that PostgreSQL runs, and the address, user and rights")


def _state(error: DBAPIError) -> str:
    found = getattr(error.orig, "sqlstate", None)
    if found is None and "does not exist" in str(error.orig):  # refused while connecting
        return _NO_DATABASE if "database" in str(error.orig) else ""
    return found or ""
