"""A PostgreSQL of its own: made by initdb in a directory of /tmp, spoken to by its socket alone.

with cluster() as postgres:
    url = postgres.new_database()

The server refuses to run as root, so root starts it as Debian's user `postgres`. It listens on
no port. Needs the package `postgresql` of .ci/apt-packages.txt.
"""

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

WITHIN = 30.0
"""Seconds in which it has to answer."""


@dataclass
class Cluster:
    """One server process and its directory. Its superuser is called `admit`."""

    directory: Path
    durable: bool = True
    process: "subprocess.Popen[bytes] | None" = None
    _shared: str = ""
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def url(self, database: str) -> str:
        """The address of a database, as `admit central --db` takes it."""
        return f"postgresql://admit@/{database}?host={self.directory}"

    def new_database(self) -> str:
        """Make an empty database; return its address."""
        name = f"event{next(self._numbers)}"
        with self.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def emptied_database(self) -> str:
        """The address of the one database that tests share, without a row: quicker than a new one.

        Whoever had it before must have closed every connection.
        """
        if not self._shared:
            self._shared = self.new_database()
        with psycopg.connect(self._shared, autocommit=True) as connection:
            connection.execute("SET lock_timeout = '5s'")
            query = "SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables"
            found = connection.execute(query + " WHERE schemaname = 'public'").fetchone()
            if found and found[0]:
                connection.execute(f"TRUNCATE {found[0]}".encode())
        return self._shared

    def connect(self, database: str) -> "psycopg.Connection[tuple[object, ...]]":
        """A connection past the server under test, each statement for itself."""
        return psycopg.connect(self.url(database), autocommit=True, connect_timeout=5)

    def start(self) -> None:
        """Start it and wait until it answers."""
        place = str(self.directory)
        options = ["-D", f"{place}/data", "-k", place, "-h", ""]
        options += ["-c", "max_connections=200", "-c", f"fsync={'on' if self.durable else 'off'}"]
        self.process = subprocess.Popen(
            [_binary("postgres"), *options],
            user=_user(), group=_user(), extra_groups=[] if _user() else None,
            cwd=self.directory, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + WITHIN
        while True:
            try:
                self.connect("postgres").close()
            except psycopg.OperationalError:
                assert self.process.poll() is None, "PostgreSQL did not start"
                assert time.monotonic() < deadline, "PostgreSQL does not answer"
                time.sleep(0.05)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it by its pid: SIGINT ends every session, SIGQUIT is a crash."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(WITHIN)
            self.process = None


@contextmanager
def cluster(parent: Path = Path("/tmp"), durable: bool = False) -> Iterator[Cluster]:
    """A fresh server, gone afterwards.

    Args:
        parent: Where its data lies; every directory above it must be open to other users.
        durable: Whether a commit waits for the disk, as it must where anything is measured. It
            survives a crash of PostgreSQL either way.
    """
    directory = Path(tempfile.mkdtemp(prefix="admit-pg-", dir=parent))
    if user := _user():
        shutil.chown(directory, user, user)
    words = ["-D", str(directory / "data"), "-U", "admit", "--auth=trust", "--no-locale"]
    subprocess.run(
        [_binary("initdb"), *words, "--encoding=UTF8", "--no-sync"],
        user=user, group=user, extra_groups=[] if user else None, cwd=directory,
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    made = Cluster(directory, durable)
    try:
        made.start()
        yield made
    finally:
        made.stop(signal.SIGQUIT)  # nobody needs what it would write now
        shutil.rmtree(directory)


def _user() -> str | None:
    return "postgres" if os.geteuid() == 0 else None


def _binary(name: str) -> str:
    """Debian keeps the server's programs out of the path, by version."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else name
