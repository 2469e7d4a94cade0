"""The books on a bench: a sync directory written by hand, and the bookkeeper that reads it."""

import json
import sqlite3
import time
from hashlib import blake2b
from pathlib import Path

from admission.clock import FakeClock
from admission.errors import GateError
from scanner.bookkeeper import Bookkeeper
from store.listfile import build_list
from store.mirror import Mirror
from tests.rigs.gate_rig import EVENT, EVENT_KEY
from tickets import cose
from tickets.bodies import Body, Keyset, ListHead, type_of
from tickets.cose import key_id, public_key_of
from tickets.rows import Ticket, pack
from tickets.statements import sign_statement

ROOT, LIST, ISSUER, THIEF = (bytes([number]) * 32 for number in (1, 2, 3, 9))
ISSUED = 1_795_000_000
POLICY: dict[str, object] = {"lists": {"main": {}}, "products": {}}


def signer(seed: bytes) -> tuple[bytes, bytes]:
    """(key id, seed)"""
    return key_id(public_key_of(seed)), seed


def keys_of(*seeds: bytes) -> dict[bytes, bytes]:
    """{key id: public key}"""
    return {key_id(public_key_of(seed)): public_key_of(seed) for seed in seeds}


def rows_hash(rows: bytes) -> bytes:
    """BLAKE2b-256 of rows."""
    return blake2b(rows, digest_size=32).digest()


class Bench:
    """A sync directory written by hand, and the bookkeeper that reads it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        identity = {"device": "d1", "event": EVENT, "event_key": EVENT_KEY.hex()}
        (directory / "identity.json").write_text(json.dumps(identity))
        self.mirror = Mirror(directory / "mirror.db")
        self.faults: dict[str, GateError] = {}
        """Those that stand now."""
        self.last = self.first = b""
        """Digests of the last and of the first statement put."""
        self.roots = (public_key_of(ROOT),)
        self.clock = FakeClock(at=ISSUED + 300.0)
        self.own = directory / "scanner"
        self.own.mkdir()
        self.start()

    def start(self) -> None:
        """Start the keeper, anew after the first time."""
        self.keeper = Bookkeeper(
            event=EVENT,
            root_keys=self.roots,
            threshold=1,
            directory=self.directory,
            own=self.own,
            clock=self.clock,
            report=self._report,
        )

    def _report(self, name: str, error: GateError | None) -> None:
        self.faults.pop(name, None)
        if error is not None:
            self.faults[name] = error

    def poll(self) -> None:
        """Let the keeper look, until the lists it found are verified."""
        self.keeper.poll()
        end = time.monotonic() + 30
        while self.keeper.busy:
            assert time.monotonic() < end
            time.sleep(0.005)  # the child works at the lowest priority
            self.keeper.poll()

    def put(
        self,
        body: Body,
        serial: int,
        *seeds: bytes,
        previous: bytes = b"",
        issued: int = ISSUED,
        expires: int = 2_000_000_000,
    ) -> bytes:
        """Sign a statement (no seed: the list key) and store it as sync would; returns its wire."""
        wire = sign_statement(
            body,
            event=EVENT,
            serial=serial,
            issued=issued,
            expires=expires,
            signers=[signer(seed) for seed in seeds or (LIST,)],
            previous=previous,
        )
        envelope, _ = cose.split_first(wire, 1)
        self.last = blake2b(envelope.payload, digest_size=32).digest()
        self.first = self.first or self.last
        self._store(type_of(body).value, wire, serial, self.last)
        return wire

    def _store(self, kind: str, wire: bytes, serial: int, digest: bytes) -> None:
        with sqlite3.connect(self.directory / "mirror.db") as base:
            base.execute(
                "INSERT INTO statement(type, serial, digest, wire) VALUES (?, ?, ?, ?)",
                [kind, serial, digest, wire],
            )

    def forget(self, newer_than: int) -> None:
        """Take every statement after the first `newer_than` out of the mirror."""
        with sqlite3.connect(self.directory / "mirror.db") as base:
            base.execute("DELETE FROM statement WHERE cursor > ?", [newer_than])

    def restart(self) -> None:
        """The gate is started anew, and looks at what is there."""
        self.faults.clear()
        self.start()
        self.poll()

    def publish(self, *tickets: Ticket, serial: int = 1) -> None:
        """Keyset, policy, list and the list's file."""
        self.put(Keyset(keys_of(ROOT), 1, keys_of(ISSUER), keys_of(LIST)), 1, ROOT)
        self.put(POLICY, 1)
        self.publish_list(*tickets, serial=serial)

    def publish_list(self, *tickets: Ticket, serial: int, seed: bytes = LIST) -> None:
        """A list statement and its file."""
        rows = b"".join(pack(t) for t in sorted(tickets, key=lambda t: t.key))
        self.put(ListHead(len(tickets), len(rows), rows_hash(rows)), serial, seed)
        build_list(self.directory, serial, rows)
