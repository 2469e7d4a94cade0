"""What is PostgreSQL's own: how a session is set up, and who waits for whom.

Most writers take one lock of the database for themselves alone, as SQLite has it; claims and
uploads take it together, and beside it one lock for each thing they judge. So two calls about one
ticket never overlap, in one process or in several, while those of other tickets commit side by
side. The locks end with their transaction; taken in order, they cannot wait for each other in a
ring. See docs/adr/0014-postgresql-by-locks.md.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from sqlalchemy import URL, Connection, Dialect, Engine, Select, create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

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
_TOGETHER = (
    "SELECT pg_advisory_xact_lock_shared(8470, 0) UNION ALL "
    "SELECT pg_advisory_xact_lock(number) FROM unnest(%s::bigint[]) AS number"
)
_SENT = "admit_sent"
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


def ask(
    connection: Connection,
    questions: Sequence[tuple[Select[Any], Mapping[str, Any]]],
    things: Sequence[Collection[bytes]] = (),
) -> list[Sequence[Mapping[str, Any]]]:
    """See `central.questions.ask`. Locks are taken in the order of ``things``, and within each of
    them in that of their numbers; each question sees what was committed when its turn came.
    """
    # In psycopg's own terms: SQLAlchemy reads every answer before it asks on.
    with _told_as_sqlalchemy_does(connection) as raw:
        with raw.pipeline():
            if things:
                numbers = [number for some in things for number in sorted(map(_number, some))]
                raw.execute(_TOGETHER, [numbers])
            cursors = [
                raw.cursor(row_factory=_by_name(connection)).execute(*_plain(connection, *question))
                for question in questions
            ]
        return [cursor.fetchall() for cursor in cursors]


def only_told(connection: Connection) -> None:
    """See `central.questions.only_told`."""
    sent: ExitStack = connection.info[_SENT]
    sent.enter_context(_raw(connection).pipeline())


@contextmanager
def sending(connection: Connection) -> Iterator[None]:
    """Around a transaction: where what it was told is sent off at the latest."""
    with ExitStack() as connection.info[_SENT]:
        yield


def _raw(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _by_name(connection: Connection) -> Any:
    return connection.dialect.loaded_dbapi.rows.dict_row


@contextmanager
def _told_as_sqlalchemy_does(connection: Connection) -> Iterator[Any]:
    raw = _raw(connection)
    try:
        yield raw
    except connection.dialect.loaded_dbapi.Error as error:
        if raw.closed:
            connection.invalidate(error)
        raise OperationalError(None, None, error) from error


def _plain(
    connection: Connection, query: Select[Any], values: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """The query as text, with its values, lists taken apart."""
    lists = {name: _padded(value) for name, value in values.items() if isinstance(value, list)}
    lengths = tuple((name, len(value)) for name, value in lists.items())
    named = {name: value for name, value in values.items() if name not in lists}
    text_, fixed = _compiled(connection.dialect, query, lengths, tuple(named))
    for name, value in lists.items():
        named |= {f"{name}_{place}": item for place, item in enumerate(value, 1)}
    return text_, fixed | named


def _padded(values: list[Any]) -> list[Any]:
    """To a few lengths by repeating the last: each length is a statement to be prepared anew."""
    length = next(most for most in (0, 1, 4, 16, 64, 256, 1024, len(values)) if most >= len(values))
    return values + values[-1:] * (length - len(values))


@lru_cache(maxsize=512)
def _compiled(
    dialect: Dialect,
    query: Select[Any],
    lengths: tuple[tuple[str, int], ...],
    names: tuple[str, ...],
) -> tuple[str, dict[str, Any]]:
    values = dict.fromkeys(names) | {name: [None] * length for name, length in lengths}
    state = query.compile(dialect=dialect).construct_expanded_state(values)
    return state.statement, dict(state.parameters)


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
