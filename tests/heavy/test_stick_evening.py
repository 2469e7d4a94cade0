"""A whole evening without a network: a real gate in a network of its own, and a stick."""

import base64
import json
import os
import random
import sqlite3

import pytest
from nacl.signing import SigningKey
from sqlalchemy import select
from typer.testing import CliRunner

from central import schema
from central.imports import cancel
from central.organiser import overview
from cli.__main__ import build
from cli.gate_client import GateNotRunning
from store.stick import Stick, StickFault
from store.stick_records import MOST_FILE, read_records
from tests.rigs.central_rig import make_event
from tests.rigs.real_gate import RealGate, code_of, until
from tickets.keys import cti_of
from tickets.typed import typed_code

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(240)]
GUESTS = 24
PULLS = 4


class StickGate(RealGate):
    """A gate that has no network at all, and reads the stick at `stick`."""

    wrapper = ("unshare", "--net") if os.geteuid() == 0 else ()

    def __init__(self, directory, central):
        super().__init__(directory, "north", central, "https://nowhere.example")
        self.stick, self.pocket = directory / "mount", directory / "pocket"
        self.stick.mkdir()
        text = self.config.read_text()
        start, end = text.index("[server]"), text.index("[screen]")
        server = f'[server]\nkind = "file"\ndirectory = "{self.stick}"\n\n'
        self.config.write_text(text[:start] + server + text[end:])

    def pull(self):
        """Somebody pulls the stick out: the mount point is left, and empty."""
        self.stick.rename(self.pocket)
        self.stick.mkdir()

    def put_in(self):
        """And puts it in again."""
        self.stick.rmdir()
        self.pocket.rename(self.stick)

    def told(self):
        """What the steward reads of the stick just now; empty: all is well, or not yet started."""
        try:
            return self.faults().get("sync", "")
        except GateNotRunning:
            return ""

    def exported(self):
        """Every record of the journal is on the stick, in files that are whole."""
        secret = bytes.fromhex((self.state / "sync" / "device.key").read_text().strip())
        public, stick = SigningKey(secret).verify_key.encode(), Stick(self.stick)
        try:
            bodies = [
                read_records(n, stick.read(n, MOST_FILE), public) for n in stick.names("records")
            ]
        except StickFault:
            return False
        seqs = {record["seq"] for body in bodies for record in body["records"]}
        return {entry.seq for entry in self.journal()} <= seqs


def admit(event, *words):
    """One command of the organiser's; returns its JSON lines."""
    where = ["--db", event.db, "--keys", str(event.keys), "--json"]
    result = CliRunner().invoke(build("central"), ["central", *map(str, words), *where])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return [json.loads(line) for line in result.output.splitlines()]


def tear(stick, chance):
    """What a stick looks like that lost what its controller had not written yet."""
    for path in sorted((stick / "admit" / "records").iterdir()):
        data = path.read_bytes()
        at = chance.randrange(len(data))
        kind = chance.choice(["whole", "cut", "zeroed", "gone", "aside"])
        if kind == "cut":
            path.write_bytes(data[:at])
        elif kind == "zeroed":
            path.write_bytes(data[:at] + bytes(len(data) - at))
        elif kind == "gone":
            path.unlink()
        elif kind == "aside":
            path.rename(path.with_name(f".{path.name}.new"))


def enrol(gate, event):
    """The two walks with the stick that make a gate one of the event's."""
    admit(event, "stick", gate.stick)
    gate.start()
    until(lambda: "number is" in gate.told(), "its number is shown", 60)
    (number,) = admit(event, "stick", gate.stick)[0]["waiting"]
    assert number in gate.told()
    admit(event, "stick", gate.stick, "--enrol", number)
    gate.ready(authority=None)


@pytest.fixture
def event(tmp_path):
    rig = make_event(tmp_path, csv="id\n" + "".join(f"T{n}\n" for n in range(GUESTS + 2)))
    yield rig
    rig.central.database.close()


def at_central(event):
    with event.central.database.reading() as connection:
        rows = connection.execute(select(schema.record.c.seq, schema.record.c.hash))
        return [(row.seq, bytes(row.hash)) for row in rows]


def test_an_evening_by_stick_loses_no_record_and_doubles_none(tmp_path, event):
    """The stick is pulled out while it is written, torn, put in again; processes are killed."""
    chance = random.Random(1206)
    with StickGate(tmp_path, event) as gate:
        enrol(gate, event)
        guests = iter(range(GUESTS))
        for number in range(PULLS):
            for guest in [next(guests) for _ in range(GUESTS // PULLS - 2)]:
                gate.enter(code_of(event, f"T{guest}"))
            until(lambda: list(gate.stick.glob("admit/records/*")), "an export begins")
            gate.pull()
            for guest in [next(guests) for _ in range(2)]:  # out of reach: nobody is refused
                gate.enter(code_of(event, f"T{guest}"))
            tear(gate.pocket, chance)
            if number == 1:
                gate.kill("sync")
                gate.start("sync")
            if number == 2:
                gate.kill("scanner")
                gate.start("scanner")
                gate.ready(authority=None)
            until(lambda: "no Admit stick" in gate.told(), "it is missed")
            assert not list(gate.stick.iterdir()), "written where the stick should be"
            gate.put_in()
        again = gate.present(code_of(event, "T0"))
        typed = gate.present(typed_code(cti_of(event.central.event_secret, f"T{GUESTS}")))
        assert (again["reason"], typed["verdict"]) == ("already_redeemed", "admitted")
        gate.wait(kind="outcome", presentation=typed["presentation"])
        until(gate.exported, "all is on the stick", 40)
        until(lambda: not gate.told(), "no fault is left")
        journal = [(entry.seq, entry.hash) for entry in gate.journal()]

        (first,), (second,) = (admit(event, "import-records", gate.stick) for _ in range(2))
        assert (first["stored"], first["left_out"]) == (len(journal), 0)
        assert (second["stored"], second["duplicate"]) == (0, len(journal))
        assert sorted(at_central(event)) == sorted(journal)
        entered = sorted(row["id"] for row in overview.entries(event.central))
        assert entered == sorted(f"T{guest}" for guest in range(GUESTS + 1))
        assert not list(overview.conflicts(event.central))

        cancel(event.central, f"T{GUESTS + 1}")
        admit(event, "stick", gate.stick)
        until(lambda: answered(gate) >= len(journal), "the gate knows what has arrived")
        code = base64.b64encode(code_of(event, f"T{GUESTS + 1}").encode()).decode()
        asked = {"op": "judge", "lane": "entry", "payload": code}  # changes nothing
        until(lambda: gate.order(**asked)["reason"] == "cancelled", "the gate knows of it")
        refused = gate.present(code_of(event, f"T{GUESTS + 1}"))
        assert refused["reason"] == "cancelled"


def answered(gate):
    """Up to which record the server has answered, as sync keeps it."""
    path = gate.state / "sync" / "mirror.db"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as mirror:
        query = "SELECT max(value) FROM position WHERE name LIKE 'records/%'"
        return mirror.execute(query).fetchone()[0] or 0
