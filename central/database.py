"""The server's database: SQLite embedded, or PostgreSQL by URL. No writer makes a claim wait long.

All queries are SQLAlchemy Core without a dialect of either; what differs is in this module, in
`central.postgres` and in `central.inserts`.
"""

import os
import stat
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from central import postgres, schema
from central.errors import CentralFault, ProtocolError
from central.inserts import upsert
from central.questions import Question, Row, ask

TURN_BUDGET = 5.0
"""Seconds a writer waits for its turn before the call is answered 503."""
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",  # an acknowledgement must survive a power cut
    "foreign_keys=ON",
    f"busy_timeout={int(TURN_BUDGET * 1000)}",
    "journal_size_limit=8388608",
)


class Turns:
    """Whose turn it is to write: one at a time, and whoever is urgent before the rest."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._busy = False
        self._urgent = 0

    @contextmanager
    def turn(self, urgent: bool) -> Iterator[None]:
        """Hold the turn; `ProtocolError` 503 `busy` when it does not come within the budget."""
        with self._condition:
            self._urgent += urgent
            free = self._condition.wait_for(
                lambda: not self._busy and (urgent or not self._urgent), TURN_BUDGET
            )
            self._urgent -= urgent
            if not free:
                raise busy()
            self._busy = True
        try:
            yield
        finally:
            with self._condition:
                self._busy = False
                self._condition.notify_all()


def busy() -> ProtocolError:
    """503: too many writers at once; nothing was stored."""
    return ProtocolError(503, "busy", "The database has no free turn", "Ask again in a second")


class Database:
    """Connections for reading, and turns for writing."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._turns = Turns()
        self._postgres = engine.dialect.name == "postgresql"
        self._reading = postgres.reading_engine(engine) if self._postgres else engine
        self._looking = postgres.looking_engine(engine) if self._postgres else engine

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One snapshot of everything committed so far."""
        with self._reading.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def looking(self) -> Iterator[Connection]:
        """For one query: two need not see the same state."""
        with self._looking.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction while nobody else writes; committed on leaving."""
        with self._turns.turn(urgent=False), self._transaction() as connection:
            if self._postgres:
                postgres.alone(connection)
            yield connection

    @contextmanager
    def judging(
        self, *things: Collection[bytes], asked: Sequence[Question], urgent: bool = False
    ) -> Iterator[tuple[Connection, list[Sequence[Row]]]]:
        """One transaction that judges ``things`` and nobody else does meanwhile; committed on
        leaving. It comes with the answers to what it asks first.

        Args:
            things: Devices, then presentations, then ticket keys: all in this order, or two
                transactions may wait for each other.
            urgent: Go before others that wait to write.
        """
        # PostgreSQL lets those about other things pass; at SQLite they take turns like everybody.
        turn = nullcontext() if self._postgres else self._turns.turn(urgent)
        with turn, self._transaction() as connection:
            yield connection, ask(connection, asked, *things)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self.engine.connect() as plain:
            connection = plain.execution_options(admit_writing=True)
            sending = postgres.sending(connection) if self._postgres else nullcontext()
            with sending, connection.begin():
                yield connection

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def create_database(url: str) -> Database:
    """Make the tables of a new database; a present one keeps its rows.

    Raises:
        CentralFault: ``url`` names no place that can be written.
    """
    path = _file_of(url)
    if path and not path.exists():
        _create_file(path)
    database = Database(_engine(url))
    try:
        schema.METADATA.create_all(database.engine)
    except DBAPIError as error:
        raise _unusable(url, error) from error
    if path:  # or a power cut may take the new file's name with it
        sync_directory(path.parent)
    return database


def open_database(url: str) -> Database:
    """Open a database that `create_database` made.

    Raises:
        CentralFault: there is none, it is damaged, or it is of another version.
    """
    path = _file_of(url)
    if path and not path.is_file():
        raise CentralFault(f"there is no database {path}", "Make it with: admit central init")
    database = Database(_engine(url))
    try:
        with database.reading() as connection:
            version = get_meta(connection, "schema")
        if version in schema.GROWN_FROM:
            version = _grow(database)
    except DBAPIError as error:
        raise _unusable(url, error) from error
    if version != schema.VERSION:
        raise CentralFault(
            f"the database has version {version or 'none'}, this server needs {schema.VERSION}",
            "Make it with: admit central init, or use the server that made it",
        )
    return database


def _grow(database: Database) -> str:
    """Add the tables that a database of an older version lacks."""
    with database.writing() as connection:
        schema.METADATA.create_all(connection)
        set_meta(connection, "schema", schema.VERSION)
    return schema.VERSION


def get_meta(connection: Connection, name: str) -> str | None:
    """The value of one fact about the event, or None."""
    query = select(schema.meta.c.value).where(schema.meta.c.name == name)
    return connection.execute(query).scalar()


def set_meta(connection: Connection, name: str, value: str) -> None:
    """Set one fact about the event."""
    upsert(connection, schema.meta, [{"name": name, "value": value}], ["name"])


def is_busy(error: DBAPIError) -> bool:
    """Whether a call failed because others were at work, rather than for a fault of the storage."""
    return "locked" in str(error.orig) or postgres.is_busy(error)


def _engine(url: str) -> Engine:
    # As many as a server has threads are kept: to connect costs PostgreSQL a process each.
    pool = {"pool_size": 32, "max_overflow": 18, "pool_timeout": TURN_BUDGET}
    pool["hide_parameters"] = True  # failures are logged; names and secrets are not
    parsed = _parse(url)
    try:
        if parsed.get_backend_name() == "postgresql":
            return postgres.engine_for(parsed, **pool)
        engine = create_engine(parsed, **pool)
    except ImportError as error:
        raise CentralFault(
            f"the database's driver is not installed: {error.name}",
            "For PostgreSQL: pip install 'admit[postgresql]'; else use sqlite:///central.db",
        ) from error
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _parse(url: str) -> URL:
    """The address, of one of the two databases that there are tests for."""
    try:
        parsed = make_url(url)
        name = parsed.get_backend_name()
    except ArgumentError as error:
        raise _no_address(str(error)) from error
    if name not in ("sqlite", "postgresql"):
        raise _no_address(f"it names {name[:40]!r}")
    return parsed


def _no_address(cause: str) -> CentralFault:
    return CentralFault(
        f"the database address cannot be used: {cause}",
        "Use sqlite:///central.db or postgresql://USER@HOST/NAME",
    )


def _prepare(connection: Any, _: object) -> None:
    connection.isolation_level = None  # `_begin` opens the transactions, not the driver
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    # IMMEDIATE: read, judge and write must be one, and a lock taken late could not be taken.
    writing = connection.get_execution_options().get("admit_writing")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _file_of(url: str) -> Path | None:
    parsed = _parse(url)
    if parsed.get_backend_name() != "sqlite":
        return None
    if not parsed.database or parsed.database == ":memory:":
        raise CentralFault(
            "a database in memory keeps nothing", "Name a file: sqlite:///central.db"
        )
    return Path(parsed.database)


def _create_file(path: Path) -> None:
    """Before SQLite does, so that nobody else may read it from its first byte on."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, stat.S_IRUSR | stat.S_IWUSR))
    except OSError as error:
        raise CentralFault(
            f"the database {path} cannot be made: {error.strerror}",
            "Name a file in a directory that you may write",
        ) from error


def sync_directory(path: Path) -> None:
    """Put the names in a directory on disk."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unusable(url: str, error: DBAPIError) -> CentralFault:
    parsed = make_url(url)
    remedy = (
        "Check its rights and the disk; a damaged file: keep it aside and restore the last copy"
    )
    if parsed.get_backend_name() == "postgresql":
        remedy = postgres.remedy(error)
    # One line of the several that PostgreSQL gives; the address without its password.
    cause = str(error.orig).strip().splitlines()[0]
    return CentralFault(f"the database {parsed.render_as_string()} cannot be used: {cause}", remedy)
