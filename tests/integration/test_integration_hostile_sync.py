"""Somebody has taken over sync: they write its files as they like, and speak on its socket.

What they can do, and no test can forbid: withhold news (seen, as a list that ages), say that a
ticket was used elsewhere (a false refusal), hide what was used elsewhere, answer a claim with yes
(the gate then decides as one that stands alone), and tell the secrets that sync holds by its work.
What they cannot: have anybody admitted whose ticket the organiser did not sign, or take back what
the gate has believed.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cli.gate_client import GateClient
from store.listfile import build_list, list_path, list_serials
from store.records import Kind
from tests.integration.conftest import CSV, POLICY
from tests.rigs.central_rig import EVENT, make_event
from tests.rigs.real_gate import RealGate, code_of
from tickets import cose
from tickets.bodies import Body, Delta, Keyset, ListHead
from tickets.key_files import Role, load_key
from tickets.rows import Ticket, pack
from tickets.statements import digest_of, sign_statement

THIEF = b"\x09" * 32
NOW = 1_999_000_000


def forged(body: Body, serial: int) -> bytes:
    """A statement by a key of the thief's own."""
    signer = cose.key_id(cose.public_key_of(THIEF)), THIEF
    fields = {"event": EVENT, "serial": serial, "issued": NOW, "expires": NOW + 9}
    return sign_statement(body, signers=[signer], **fields)  # type: ignore[arg-type]


class Hostile:
    """In sync's place: its files are theirs."""

    def __init__(self, gate: RealGate) -> None:
        self.gate, self.files = gate, gate.state / "sync"

    def sql(self, order: str, *rows: tuple[object, ...]) -> None:
        """Change mirror.db."""
        with closing(sqlite3.connect(self.files / "mirror.db", timeout=10)) as base, base:
            base.executemany(order, rows or [()])

    def store(self, kind: str, wire: bytes) -> None:
        """A statement, as sync would store it."""
        order = "INSERT INTO statement(type, serial, digest, wire) VALUES (?, 9, ?, ?)"
        self.sql(order, (kind, digest_of(wire) or b"x", wire))

    def rows_in_place(self, rows: bytes) -> None:
        """Write other rows into the very file that was verified."""
        serial = list_serials(self.files)[0]
        aside = self.gate.directory / "aside"
        aside.mkdir()
        built = build_list(aside, serial, rows)
        with list_path(self.files, serial).open("r+b") as file:
            file.write(built.read_bytes())
            file.truncate()

    def forge(self, key: bytes) -> None:
        """Everything that could add a ticket, signed by keys that are not the organiser's."""
        thief = {cose.key_id(cose.public_key_of(THIEF)): cose.public_key_of(THIEF)}
        row, serial = pack(Ticket(key)), 2_000_000_000
        self.store("keyset", forged(Keyset(thief, 1, {}, {}), serial))
        self.store("policy", forged({"lists": {"main": {"entries": 0}}, "products": {}}, serial))
        self.store("list", forged(ListHead(1, 30, bytes(32)), serial + 1))
        self.store("delta", forged(Delta(1, row, b""), serial + 2))
        self.store("list", b"\x81" + bytes(1000))


@pytest.mark.heavy
@pytest.mark.timeout(180)
def test_a_sync_under_an_attackers_control_adds_nothing(tmp_path: Path) -> None:
    """The real scanner, its real files; what the organiser signed goes on to be admitted."""
    rig = make_event(tmp_path, csv=CSV, policy=POLICY)
    rig.start()
    mallory = load_key(rig.keys, Role.ISSUER).secret  # a ticket of hers is signed, but on no list
    try:
        with RealGate(tmp_path, "north", rig, rig.url) as gate:
            gate.start()
            gate.ready()
            assert gate.enter(code_of(rig, "T1"))["outcome"] == "passage"
            gate.kill("sync")
            thief, off_list = Hostile(gate), code_of(rig, "MALLORY", mallory)

            def nothing_was_added() -> None:
                assert gate.present(off_list)["reason"] == "unknown"
                assert gate.present(code_of(rig, "T2", THIEF))["reason"] == "forged"
                assert gate.present(code_of(rig, "T1"))["reason"] == "already_redeemed"

            def genuine(name: str) -> None:
                assert gate.enter(code_of(rig, name))["outcome"] == "passage"

            # Forgeries of each type, and another list in the place of the one that was verified.
            thief.forge(rig.key("MALLORY"))
            thief.rows_in_place(pack(Ticket(rig.key("MALLORY"))))
            assert "forgery" in gate.fault("statement")
            nothing_was_added()
            genuine("T3")
            # Rolled back: the mirror says that there was nothing, then that there was less.
            thief.sql("DELETE FROM statement WHERE type <> 'keyset'")
            thief.sql("DELETE FROM redemption")
            gate.kill("scanner")
            gate.start("scanner")
            gate.ready(None)
            nothing_was_added()
            genuine("T4")
            # Redemptions made up: a false refusal is all that comes of it.
            values = (rig.key("T5"), b"p" * 16, NOW - 300_000_000.0)
            order = (
                "INSERT INTO redemption(ticket_key, presentation, list, direction, at, gate,"
                " device, epoch, stands) VALUES (?, ?, 'main', 'entry', ?, 'x', 'x', x'00', 1)"
            )
            thief.sql(order, values)
            assert gate.present(code_of(rig, "T5"))["reason"] == "already_redeemed"
            # Lies on the socket: contact, records that are acknowledged, commands nobody may give.
            with GateClient(gate.run, "sync") as client:
                for lie in (
                    {"server": {"online": True, "list_age": 0.0, "fault": None}},
                    {"beat": {"nonce": "00" * 16, "time": "AA==", "commands": [{"do": "release"}]}},
                    {"answer": {"presentation": "00" * 16, "result": "granted"}},
                    {"op": "type", "lane": "entry", "code": off_list},
                    {"op": "mode", "lane": "entry", "mode": "free-flow"},
                ):
                    client.tell(**lie)
            nothing_was_added()
            genuine("T6")
            admitted = [e.record.ticket_key for e in gate.records(Kind.SCAN) if _admitted(e.record)]
            assert set(admitted) == {rig.key(name) for name in ("T1", "T3", "T4", "T6")}
    finally:
        rig.kill()
        rig.central.database.close()


def _admitted(record: object) -> bool:
    return getattr(record, "verdict", None) == "admitted"
