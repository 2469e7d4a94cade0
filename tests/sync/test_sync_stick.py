"""A gate whose server is a stick: what is on it is believed for its signatures alone."""

import base64
import gzip
import json
import os
import shutil

import pytest
from nacl.signing import SigningKey

from central.enrolment import revoke
from central.imports import cancel
from central.organiser import overview
from central.statements import publish_policy
from central.stick import device_name, write_stick
from central.stick_records import import_records
from store.listfile import ListFile, list_path
from store.mirror import Mirror
from store.names_file import newest_names, sealed_name
from store.records import Entry, Kind, Record, chain_hash, entry_to_json
from store.stick import (
    Stick,
    StickFault,
    StickFull,
    StickGone,
    StickMissing,
    StickOfAnotherEvent,
    StickReadOnly,
    StickTorn,
)
from store.stick_records import signed_json
from sync.identity import device_key, load_identity
from sync.names import NameFiles
from sync.stick_export import RECORDS, Exporter
from sync.stick_pull import EnrolmentAwaited, StickForged, StickOlder, StickPuller
from sync.stick_server import StickServer, StickUnread
from tests.rigs.central_rig import EVENT, make_event
from tickets import cose
from tickets.cose import key_id
from tickets.credential import Credential, Format
from tickets.key_files import Role, load_key
from tickets.keyring import pinned
from tickets.keys import cti_of
from tickets.names import open_name
from tickets.statements import sign_statement


class Clock:
    """Seconds by hand; shared by server and gate."""

    def __init__(self):
        self.at = 1_790_000_000.0

    def __call__(self):
        return self.at


class Scanner:
    """The journal of a gate, behind the socket that sync asks."""

    def __init__(self):
        self.epoch, self.entries = os.urandom(8), []

    def record(self, kind=Kind.SCAN, presentation=None, **facts):
        seq = len(self.entries) + 1
        head = self.entries[-1].hash if self.entries else bytes(32)
        row = Record(kind=kind, presentation=presentation, at=1000.0 + seq, event=EVENT, **facts)
        self.entries.append(Entry(seq, row, head, chain_hash(seq, head, row)))

    def entry(self, ticket_key):
        """A guest goes in: the scan and the passage."""
        presentation = os.urandom(16)
        facts = {"lane": "1", "list": "main", "direction": "entry", "ticket_key": ticket_key}
        self.record(Kind.SCAN, presentation, verdict="admitted", **facts)
        self.record(Kind.PASSAGE, presentation, **facts)

    def ask(self, message, _):
        after, limit = message["after"], message["limit"]
        found = [entry_to_json(entry) for entry in self.entries[after : after + limit]]
        digest = self.entries[-1].hash if self.entries else bytes(32)
        told = {"epoch": self.epoch.hex(), "head": len(self.entries), "hash": digest.hex()}
        return {"records": found} | told


class Gate:
    """sync of one gate, without its threads."""

    def __init__(self, directory, central, stick, name="north", event=EVENT):
        self.directory, self.name = directory, name
        directory.mkdir(exist_ok=True)
        self.key = device_key(directory)
        self.device = device_name(self.key.verify_key.encode())
        self.roots = pinned([_root(central)])
        self.event, self.stick, self.clock = event, Stick(stick), Clock()
        self.scanner = Scanner()
        self.mirror = Mirror(directory / "mirror.db")
        self.start()

    def start(self):
        self.server = StickServer(self.stick, self.event, self.device, self.clock)
        self.puller = StickPuller(
            self.server,
            self.mirror,
            self.roots,
            self.event,
            self.directory,
            gate=self.name,
            monotonic=self.clock,
        )
        self.exporter = Exporter(self.stick, self.device, self.key, self.mirror, self.clock)

    def poll(self):
        self.puller.poll()
        return self.puller.fault

    def kinds(self):
        return [row.type for row in self.mirror.statements()]


def _root(central):
    return load_key(central.keys, Role.ROOT).public


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def central(tmp_path, clock):
    rig = make_event(tmp_path / "central", now=clock)
    yield rig
    rig.central.database.close()


@pytest.fixture
def stick(tmp_path):
    (tmp_path / "stick").mkdir()
    return tmp_path / "stick"


@pytest.fixture
def asking(tmp_path, central, stick):
    """A gate that has asked to be enrolled."""
    write_stick(central.central, stick)
    gate = Gate(tmp_path / "gate", central, stick)
    with pytest.raises(EnrolmentAwaited):
        gate.poll()
    return gate


@pytest.fixture
def gate(central, stick, asking):
    """A gate that is enrolled and has read all."""
    write_stick(central.central, stick, [asking.device])
    assert asking.poll() is None
    return asking


# Statements, lists and keys


def test_an_enrolled_gate_has_keys_policy_list_and_event_key(gate, central):
    assert gate.kinds() == ["keyset", "policy", "list"]
    serial = gate.mirror.statements()[-1].serial
    assert ListFile(list_path(gate.directory, serial)).get(central.key("A1")) is not None
    assert load_identity(gate.directory).event_key == central.central.event_key
    assert gate.puller.completed is not None


def test_names_come_by_stick_to_gates_that_show_them_and_are_sealed_on_it(gate, central, stick):
    """Whoever finds the stick reads none of them."""
    central.import_csv("id,name\nA1,Ada Lovelace\n")
    write_stick(central.central, stick)
    data = b"".join(path.read_bytes() for path in stick.rglob("*") if path.is_file())
    assert b"Lovelace" not in data and b"Lovelace" not in b"".join(
        gzip.decompress(path.read_bytes()) for path in stick.rglob("*.gz")
    )
    gate.puller.names = NameFiles(gate.server, gate.directory, True)
    assert gate.poll() is None
    sealed = sealed_name(newest_names(gate.directory), central.key("A1"))
    ticket = Credential(Format.AD1, cti_of(central.central.event_secret, "A1"))
    assert open_name(central.central.event_key, ticket, sealed) == "Ada Lovelace"


def test_a_gate_that_is_not_enrolled_says_its_number_and_what_to_do(asking):
    fault = asking.puller.fault
    assert asking.device in fault.cause
    assert f"--enrol {asking.device}" in fault.remedy


def test_the_server_enrols_only_gates_that_the_organiser_names(central, stick, asking):
    done = write_stick(central.central, stick)
    assert (done.enrolled, done.waiting) == ([], {asking.device: "north"})
    with pytest.raises(EnrolmentAwaited):
        asking.poll()
    assert write_stick(central.central, stick, [asking.device]).enrolled == ["north"]


def test_a_stick_found_on_the_ground_gives_no_secret_away(gate, central, stick):
    """Neither the event key nor a signing key nor codes and ids of tickets are on it."""
    central.import_csv("id,code\nORDER-4711,\nORDER-4712,SECRET-CODE-1\n")
    write_stick(central.central, stick, [gate.device])
    data = b"".join(path.read_bytes() for path in stick.rglob("*") if path.is_file())
    body = next((stick / "admit" / "lists").iterdir()).read_bytes()
    data += gzip.decompress(body) + str(list(stick.rglob("*"))).encode()
    for secret in (central.central.event_key, central.central.list_seed):
        for form in (secret, secret.hex().encode(), base64.b64encode(secret)):
            assert form not in data
    for text in (b"ORDER-4711", b"SECRET-CODE-1"):
        assert text not in data


def test_another_gate_cannot_open_the_key_that_was_sealed(tmp_path, gate, central, stick):
    """A thief's gate asks under the number of the enrolled one: it gets what it cannot open."""
    thief = Gate(tmp_path / "thief", central, stick)
    thief.server.device = gate.device
    with pytest.raises(StickFault, match="not signed by the organiser"):
        thief.poll()
    assert load_identity(thief.directory) is None


def test_a_key_that_the_organiser_has_not_sealed_is_not_taken(tmp_path, asking, central, stick):
    """An own event key would make every ticket unknown."""
    stranger = SigningKey.generate()
    said = {"event": EVENT, "device": asking.device, "sealed": ""}
    forged = signed_json("enrolment", said, key_id(stranger.verify_key.encode()), bytes(stranger))
    rewrite(stick, f"enrolments/{asking.device}", forged)
    with pytest.raises(StickFault, match="not signed by the organiser"):
        asking.poll()


def test_a_cancellation_comes_with_the_next_stick(gate, central, stick, clock):
    clock.at += 60
    cancel(central.central, "A1")
    write_stick(central.central, stick)
    assert gate.poll() is None
    assert gate.kinds()[-1] == "delta"


def test_the_same_stick_again_is_no_news_and_no_fault(gate):
    for _ in range(3):
        assert gate.poll() is None
    assert gate.puller.completed == gate.clock()


# What can be wrong with a stick


def rewrite(stick, name, data):
    """Put other bytes on the stick, and let its index agree: as an attacker would."""
    held = Stick(stick)
    files = dict(held.index().files)
    files[name] = held.write(name, data)
    held.write_index(held.index().event, files, 2e9)


def torn(stick, folder):
    """Cut the first file of a folder short, as a stick that was pulled out early has it."""
    path = next((stick / "admit" / folder).iterdir())
    path.write_bytes(path.read_bytes()[:-5])


def test_no_stick_is_named_and_nothing_is_written_where_it_should_be(gate, stick, tmp_path):
    stick.rename(tmp_path / "pocket")
    stick.mkdir()  # the bare mount point
    with pytest.raises(StickMissing):
        gate.poll()
    with pytest.raises(StickMissing):
        gate.exporter.round(gate.scanner)
    assert not list(stick.iterdir())


def test_a_stick_of_another_event_is_named(gate, stick, tmp_path, clock):
    other = make_event(tmp_path / "other", event="OTHER", now=clock)
    shutil.rmtree(stick / "admit")
    write_stick(other.central, stick)
    with pytest.raises(StickOfAnotherEvent, match="OTHER"):
        gate.poll()
    other.central.database.close()


def test_an_index_that_lies_about_the_event_changes_nothing(gate, stick, tmp_path, clock):
    other = make_event(tmp_path / "other", event="OTHER", now=clock)
    shutil.rmtree(stick / "admit")
    write_stick(other.central, stick)
    held = Stick(stick)
    held.write_index(EVENT, held.index().files, 2e9)
    before = gate.kinds()
    assert isinstance(gate.poll(), StickForged)  # by keys that this gate does not believe
    assert gate.kinds() == before
    other.central.database.close()


@pytest.mark.parametrize("again", [False, True])
def test_an_older_stick_is_named_and_changes_nothing(gate, central, tmp_path, clock, again):
    """Also by a gate that was started since, and has forgotten what it has seen."""
    stick = gate.stick.directory
    shutil.copytree(stick, tmp_path / "older")
    clock.at += 60
    publish_policy(central.central, {"lists": {"main": {}}, "products": {}})
    central.import_csv("id,status\nA1,cancelled\n")
    write_stick(central.central, stick)
    assert gate.poll() is None
    before = [row.digest for row in gate.mirror.statements()]
    shutil.rmtree(stick)
    (tmp_path / "older").rename(stick)
    if again:
        gate.start()
    assert isinstance(gate.poll(), StickOlder)
    assert isinstance(gate.poll(), StickOlder)
    assert [row.digest for row in gate.mirror.statements()] == before


def test_a_forged_statement_is_named_and_the_others_are_taken(gate, central, stick, clock):
    seed = bytes(SigningKey.generate())
    wire = sign_statement(
        {"lists": {}, "products": {}},
        event=EVENT,
        serial=2**40,
        issued=1,
        expires=2**39,
        signers=[(b"stranger", seed)],
    )
    rewrite(stick, "statements/000000000099-policy", wire)
    assert isinstance(gate.poll(), StickForged)
    assert gate.kinds() == ["keyset", "policy", "list"]


@pytest.mark.parametrize("folder", ["statements", "lists", "enrolments"])
def test_a_torn_file_is_named_and_the_rest_is_read(tmp_path, central, stick, asking, folder):
    write_stick(central.central, stick, [asking.device])
    shutil.copytree(stick, tmp_path / "whole")
    fresh = asking if folder == "enrolments" else Gate(tmp_path / "fresh", central, stick)
    torn(stick, folder)
    try:
        fault = fresh.poll()
    except StickFault as error:
        fault = error
    assert isinstance(fault, StickTorn | StickUnread | EnrolmentAwaited | StickForged)
    shutil.rmtree(stick)
    (tmp_path / "whole").rename(stick)
    asking.poll()
    assert load_identity(asking.directory) is not None


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"format": 1}', b"\xff" * 100, b"0" * (1 << 22) + b"0"]
)
def test_a_damaged_index_is_named(gate, stick, data):
    (stick / "admit" / "index.json").write_bytes(data)
    with pytest.raises(StickTorn):
        gate.poll()


@pytest.mark.parametrize("name", ["../../etc/passwd", "lists/../x", "/etc/passwd", "records/x", 7])
def test_an_index_names_nothing_outside_its_folders(gate, stick, name):
    said = {"format": 1, "event": EVENT, "made": 1, "files": {name: [1, "0" * 32]}}
    (stick / "admit" / "index.json").write_text(json.dumps(said))
    with pytest.raises(StickTorn):
        gate.poll()


def test_links_and_pipes_on_a_stick_are_not_followed(gate, stick, tmp_path):
    (stick / "admit" / "index.json").rename(tmp_path / "index")
    (stick / "admit" / "index.json").symlink_to(tmp_path / "index")
    with pytest.raises(StickTorn):
        gate.poll()
    (stick / "admit" / "index.json").unlink()
    os.mkfifo(stick / "admit" / "index.json")
    with pytest.raises(StickTorn):
        gate.poll()
    (stick / "admit").rename(tmp_path / "elsewhere")
    (stick / "admit").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StickTorn):
        gate.poll()


@pytest.mark.parametrize(
    ("number", "fault"),
    [(28, StickFull), (122, StickFull), (30, StickReadOnly), (5, StickGone), (19, StickGone)],
)
def test_what_the_system_says_of_a_stick_is_named(gate, monkeypatch, number, fault):
    def fails(*_, **__):
        raise OSError(number, os.strerror(number))

    gate.scanner.record()
    monkeypatch.setattr("store.stick.os.write", fails)
    with pytest.raises(fault) as raised:
        gate.exporter.round(gate.scanner)
    assert raised.value.remedy


def test_a_stick_that_goes_away_while_a_list_is_read_is_named(asking, monkeypatch):
    real = os.read

    def fails(handle, size):
        data = real(handle, size)
        if data.startswith(b"\x1f\x8b"):
            raise OSError(5, "Input/output error")
        return data

    asking.mirror.move("statements", 0)
    fresh = asking
    monkeypatch.setattr("store.stick.os.read", fails)
    fresh.server.settled(False)
    serial = fresh.mirror.statements()[-1].serial
    list_path(fresh.directory, serial).unlink()
    with pytest.raises(EnrolmentAwaited):
        fresh.poll()
    assert not list_path(fresh.directory, serial).exists()
    monkeypatch.undo()
    with pytest.raises(EnrolmentAwaited):
        fresh.poll()
    assert list_path(fresh.directory, serial).exists()


# Records


def imported(central, stick):
    """Import what is on the stick; returns (results, faults)."""
    faults = []
    done = import_records(central.central, stick, lambda cause, _: faults.append(cause))
    return dict(done.results), faults


def test_records_come_home_and_count_once(gate, central, stick):
    gate.scanner.entry(central.key("A1"))
    gate.scanner.entry(central.key("A2"))
    gate.exporter.round(gate.scanner)
    assert gate.exporter.waiting == 0
    assert imported(central, stick) == ({"stored": 4}, [])
    assert imported(central, stick) == ({"duplicate": 4}, [])
    assert sorted(row["id"] for row in overview.entries(central.central)) == ["A1", "A2"]


def test_what_is_answered_for_leaves_the_stick_and_may_be_purged(gate, central, stick):
    gate.scanner.entry(central.key("A1"))
    gate.exporter.round(gate.scanner)
    imported(central, stick)
    write_stick(central.central, stick)
    assert gate.poll() is None
    assert gate.mirror.position(f"records/{gate.scanner.epoch.hex()}") == 2
    gate.exporter.round(gate.scanner)
    assert Stick(stick).names("records") == []


def test_nothing_is_acknowledged_before_the_server_has_it(gate, central, stick):
    gate.scanner.entry(central.key("A1"))
    gate.exporter.round(gate.scanner)
    write_stick(central.central, stick)
    gate.poll()
    assert gate.mirror.position(f"records/{gate.scanner.epoch.hex()}") == 0


def test_another_stick_gets_all_that_the_server_has_not(gate, central, stick, tmp_path):
    gate.scanner.entry(central.key("A1"))
    gate.exporter.round(gate.scanner)
    stick.rename(tmp_path / "lost")
    stick.mkdir()
    write_stick(central.central, stick)
    gate.scanner.entry(central.key("A2"))
    gate.exporter.round(gate.scanner)
    assert imported(central, stick) == ({"stored": 4}, [])


@pytest.mark.parametrize("how", ["cut", "zeroed", "gone"])
def test_a_torn_file_of_records_is_written_again(gate, central, stick, how):
    for _ in range(RECORDS + 3):
        gate.scanner.record()
    gate.exporter.round(gate.scanner)
    first, _ = sorted((stick / "admit" / "records").iterdir())
    data = first.read_bytes()
    if how == "gone":
        first.unlink()
    else:
        first.write_bytes(data[:-100] if how == "cut" else data[:-100] + bytes(100))
    results, faults = imported(central, stick)
    assert (results, len(faults)) == ({"stored": 3}, how != "gone")
    gate.exporter.away()
    gate.exporter.round(gate.scanner)
    again, before = (json.loads(file.partition(b"\n")[2]) for file in (first.read_bytes(), data))
    assert again["records"] == before["records"]  # under a head that is signed anew
    assert imported(central, stick) == ({"stored": RECORDS, "duplicate": 3}, [])


def test_the_last_file_grows_and_the_others_stay(gate, stick):
    for number in (10, RECORDS, 7):
        for _ in range(number):
            gate.scanner.record()
        gate.exporter.round(gate.scanner)
    firsts = [name[-10:] for name in Stick(stick).names("records")]
    assert firsts == ["0000000001", "0000000501"]


def test_records_that_another_has_signed_are_left_out(gate, central, stick):
    gate.scanner.entry(central.key("A1"))
    gate.exporter._key = SigningKey.generate()
    gate.exporter.round(gate.scanner)
    results, faults = imported(central, stick)
    assert (results, len(faults)) == ({}, 1)


def test_records_of_a_gate_that_is_not_known_or_was_withdrawn_are_left_out(gate, central, stick):
    gate.scanner.entry(central.key("A1"))
    gate.exporter.round(gate.scanner)
    revoke(central.central, gate.device)
    results, faults = imported(central, stick)
    assert (results, len(faults)) == ({}, 1)
    assert "withdrawn" in faults[0]


def test_a_fork_is_an_alarm_as_over_the_network(gate, central, stick):
    gate.scanner.entry(central.key("A1"))
    gate.exporter.round(gate.scanner)
    imported(central, stick)
    gate.scanner.entries.clear()
    gate.scanner.entry(central.key("A2"))
    gate.exporter.away()
    for path in (stick / "admit" / "records").iterdir():
        path.unlink()
    gate.exporter.round(gate.scanner)
    assert imported(central, stick)[0] == {"fork": 2}
    assert "fork" in {row["name"] for row in overview.alarms(central.central)}


def test_two_gates_that_let_one_ticket_in_are_a_conflict_and_both_hear_of_it(
    tmp_path, gate, central, stick
):
    other = Gate(tmp_path / "south", central, stick, name="south")
    with pytest.raises(EnrolmentAwaited):
        other.poll()
    write_stick(central.central, stick, [other.device])
    other.poll()
    for each in (gate, other):
        each.scanner.entry(central.key("A1"))
        each.exporter.round(each.scanner)
    imported(central, stick)
    assert len(list(overview.conflicts(central.central))) == 1
    write_stick(central.central, stick)
    for each in (gate, other):
        assert each.poll() is None
        assert each.mirror.position("conflicts") > 0
        assert each.mirror.position("redemptions") > 0


def test_answers_that_the_organiser_has_not_signed_acknowledge_nothing(gate, stick):
    gate.scanner.record()
    seed = SigningKey.generate()
    said = {"event": EVENT, "device": gate.device}
    said |= {"journals": {gate.scanner.epoch.hex(): {"up_to": 9, "parked": []}}}
    said |= {"conflicts": {"conflicts": [], "next": 0}}
    forged = signed_json("answers", said, key_id(seed.verify_key.encode()), bytes(seed))
    rewrite(stick, f"answers/{gate.device}", forged)
    with pytest.raises(StickFault, match="not signed by the organiser"):
        gate.poll()
    assert gate.mirror.position(f"records/{gate.scanner.epoch.hex()}") == 0


def test_a_file_of_redemptions_that_was_taken_off_is_missed(
    tmp_path, gate, central, stick, monkeypatch
):
    """Whoever carries a stick must not choose which used tickets a gate hears of."""
    monkeypatch.setattr("central.feeds.PAGE", 1)
    other = Gate(tmp_path / "south", central, stick, name="south")
    with pytest.raises(EnrolmentAwaited):
        other.poll()
    write_stick(central.central, stick, [other.device])
    other.poll()
    for name in ("A1", "A2"):
        other.scanner.entry(central.key(name))
    other.exporter.round(other.scanner)
    imported(central, stick)
    write_stick(central.central, stick)
    held = Stick(stick)
    files = dict(held.index().files)
    first, second = [name for name in sorted(files) if "redemptions" in name]
    held.write_index(EVENT, {n: h for n, h in files.items() if n != first}, 2e9)
    with pytest.raises(StickTorn, match="before answers/redemptions-"):
        gate.poll()
    assert gate.mirror.position("redemptions") == 0
    assert second in held.index().files


def test_every_conflict_of_a_gate_goes_to_it_behind_any_number_of_others(
    gate, central, stick, monkeypatch
):
    """The server's feed is read to its end: the first page may be full of other gates' rows."""
    pages = {
        0: {"conflicts": [], "next": 500},
        500: {"conflicts": [{"cursor": 501}], "next": 501},
        501: {"conflicts": [], "next": 501},
    }
    monkeypatch.setattr("central.stick.conflicts_after", lambda _c, _g, after: pages[after])
    gate.scanner.record()
    gate.exporter.round(gate.scanner)
    imported(central, stick)
    write_stick(central.central, stick)
    data = Stick(stick).read(f"answers/{gate.device}", 1 << 20)
    said = json.loads(cose.split(data).payload)
    assert said["conflicts"] == {"conflicts": [{"cursor": 501}], "next": 501}


@pytest.mark.parametrize(
    ("gate_name", "public_key"),
    [
        ("north\x1b[2K\rsouth", SigningKey(bytes(32)).verify_key.encode().hex()),
        ("north", "00" * 32),
    ],
    ids=["writes over the organiser's terminal", "a key that nothing can be sealed for"],
)
def test_a_request_that_no_gate_makes_is_passed_over(central, stick, gate_name, public_key):
    write_stick(central.central, stick)
    request = json.dumps({"gate": gate_name, "public_key": public_key}).encode()
    Stick(stick).write("requests/0123456789abcdef.json", request)
    assert write_stick(central.central, stick).waiting == {}
