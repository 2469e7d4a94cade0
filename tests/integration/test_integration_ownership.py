"""I6 and I7: who has which file open, and who may read what."""

import os
import stat
from collections.abc import Iterable
from contextlib import closing

import pytest

from store.mirror_reader import MirrorReader
from tests.integration.conftest import Venue
from tests.rigs.real_gate import RealGate, until


def _below(names: Iterable[str], directory: str) -> set[str]:
    return {name for name in names if name.startswith(directory)}


def _heard_of(gate: RealGate, ticket_key: bytes) -> bool:
    """Whether a gate's mirror has a redemption of a ticket."""
    with closing(MirrorReader(gate.state / "sync" / "mirror.db")) as mirror:
        return bool(mirror.redemptions(ticket_key).rows)


def test_the_journal_is_open_in_scanner_alone_and_screen_has_no_database(venue: Venue) -> None:
    """Seen in /proc, with sync and screen at work; screen gets everything from a socket."""
    gate = venue.north
    gate.enter(venue.code(), "left")
    gate.start("screen")
    until(lambda: "pages at" in gate.log("screen"), "screen serves its pages")
    journal = gate.state / "scanner"
    holders = {part: _below(gate.open_files(part), str(journal)) for part in gate.parts}
    databases = {name for name in gate.open_files("screen") if ".db" in name}
    gate.kill("screen")
    assert f"{journal}/journal.db" in holders["scanner"]
    assert holders["sync"] == holders["screen"] == databases == set()


def test_scanner_holds_the_mirror_without_a_right_to_write(venue: Venue) -> None:
    """Mirror and list files are opened to be read, whatever the user may do."""
    gate = venue.north
    gate.enter(venue.code(), "left")
    foreign = str(gate.state / "sync")
    # SQLite opens the log and its index as widely as the file's mode lets it, even to read.
    found = {
        path: flags
        for path, flags in gate.open_files("scanner").items()
        if path.startswith(foreign) and path.endswith(".db")
    }
    assert found
    assert set(found.values()) == {os.O_RDONLY}, found


def test_no_stranger_may_read_journal_keys_or_sockets(venue: Venue) -> None:
    """Modes of everything that holds a secret or gives orders."""
    gate = venue.north
    private = [gate.state / "scanner" / name for name in ("journal.db", "journal.db-wal", "lock")]
    private += [gate.state / "sync" / "device.key", gate.run / "control.sock"]
    others = stat.S_IRWXG | stat.S_IRWXO
    assert {path.name: path.stat().st_mode & others for path in private} == dict.fromkeys(
        (path.name for path in private), 0
    )
    shared = [*(gate.state / "sync").glob("*.db*"), *gate.run.glob("*.sock")]
    assert all(path.stat().st_mode & stat.S_IRWXO == 0 for path in shared)


@pytest.mark.heavy
def test_with_sync_killed_the_mirror_is_read_and_used_tickets_stay_used(venue: Venue) -> None:
    """What another gate admitted is still known here; a fresh ticket is admitted unclaimed."""
    ticket = venue.ticket()
    code = venue.code(ticket)
    venue.south.enter(code)
    until(lambda: _heard_of(venue.north, venue.central.key(ticket)), "the news at north", 30)
    venue.north.kill("sync")
    used = venue.north.present(code, "left")
    fresh = venue.north.present(venue.code(), "left")
    assert used["reason"] == "already_redeemed"
    assert (fresh["verdict"], fresh["claim"]) == ("admitted", "unclaimed")
    assert "mirror" not in " ".join(venue.north.faults())
