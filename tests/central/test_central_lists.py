"""What a gate is to believe: signed, chained, fetched by hash, and current."""

import base64
import hashlib
import re
from typing import Any

import pytest

from admission.clock import FakeClock
from admission.rules import CheckInList, Product
from central import lists
from central.errors import CentralFault
from central.imports import cancel, restore
from central.lists import CONFIRM_EVERY, publish_list, refresh
from central.setup import initialise, open_central, read_policy
from central.statements import publish_policy
from tests.central.conftest import ON_SQLITE
from tests.rigs.central_rig import CSV, EVENT, ROOT, CentralRig, Device, reopen
from tickets.bodies import Delta, ListHead, ServerTime, Type
from tickets.chain import follows
from tickets.csv_rows import CsvRejected
from tickets.key_files import KeyFault
from tickets.keyring import pinned
from tickets.rows import Status, Ticket, inflate, unpack_all
from tickets.statements import Statement, keyring_from, read_statement


class Reader:
    """A gate that believes only what is signed and follows, starting from the pinned root."""

    def __init__(self, rig: CentralRig, gate: Device) -> None:
        self.keyring = pinned([base64.b64decode(key) for key in rig.root_keys])
        self.gate, self.after = gate, 0
        self.last: dict[Type, Statement] = {}
        self.tickets: dict[bytes, Ticket] = {}

    def read(self) -> list[Type]:
        """Read what is new; return the types in the order in which they came."""
        page = self.gate.get(f"/v1/statements?after={self.after}").json()
        self.after = page["next"]
        return [self._take(raw) for raw in page["statements"]]

    def _take(self, raw: dict[str, Any]) -> Type:
        statement = read_statement(base64.b64decode(raw["wire"]), EVENT, self.keyring)
        chain = Type.LIST if statement.type is Type.DELTA else statement.type
        follows(self.last.get(chain), statement) if self._judged(chain, statement) else None
        if statement.type is Type.KEYSET:
            self.keyring = keyring_from(self.keyring, statement)
        elif isinstance(statement.body, ListHead):
            self.tickets = self._fetch(statement.body)
        elif isinstance(statement.body, Delta):
            self.tickets |= {ticket.key: ticket for ticket in statement.body.tickets()}
        self.last[chain] = statement
        return statement.type

    def _judged(self, chain: Type, statement: Statement) -> bool:
        """A new list follows the last list, which a delta has taken the place of here."""
        before = self.last.get(chain)
        return before is None or statement.type is Type.DELTA or before.type is statement.type

    def _fetch(self, head: ListHead) -> dict[bytes, Ticket]:
        answer = self.gate.get(f"/v1/lists/{head.hash.hex()}")
        rows = inflate(answer.content, head.size)
        assert hashlib.blake2b(rows, digest_size=32).digest() == head.hash
        assert len(rows) == head.size
        found = {ticket.key: ticket for ticket in unpack_all(rows)}
        assert len(found) == head.rows
        return found


def status(reader: Reader, rig: CentralRig, ticket_id: str) -> Status:
    """What the reader believes of a ticket."""
    return reader.tickets[rig.key(ticket_id)].flags


def test_a_gate_can_verify_everything_from_the_pinned_root(rig: CentralRig, north: Device) -> None:
    """Keyset, policy and list, in an order in which each can be checked by what came before."""
    reader = Reader(rig, north)
    assert reader.read() == [Type.KEYSET, Type.POLICY, Type.LIST]
    assert len(reader.tickets) == len(CSV.splitlines()) - 1
    assert status(reader, rig, "X9") == Status.CANCELLED
    assert reader.tickets[rig.key("G4")].entries == 4
    assert reader.read() == []


def test_a_cancellation_comes_at_once_as_a_delta(rig: CentralRig, north: Device) -> None:
    """And can be taken back; each builds on the statement before it."""
    reader = Reader(rig, north)
    reader.read()
    assert cancel(rig.central, "A1") == 1
    assert cancel(rig.central, "A1") == 0
    assert cancel(rig.central, "A2") == 1
    assert reader.read() == [Type.DELTA, Type.DELTA]
    assert status(reader, rig, "A1") == status(reader, rig, "A2") == Status.CANCELLED
    assert restore(rig.central, "A1") == 1
    assert reader.read() == [Type.DELTA]
    assert status(reader, rig, "A1") == Status(0)


def test_a_late_gate_gets_the_list_and_every_delta_after_it(rig: CentralRig, north: Device) -> None:
    """Older policies and lists are not sent any more."""
    cancel(rig.central, "A1")
    publish_policy(rig.central, {"lists": {}, "products": {}})
    publish_list(rig.central)
    cancel(rig.central, "A2")
    reader = Reader(rig, north)
    assert reader.read() == [Type.KEYSET, Type.POLICY, Type.LIST, Type.DELTA]
    assert status(reader, rig, "A1") == status(reader, rig, "A2") == Status.CANCELLED


def test_nobody_cancels_what_is_not_there(rig: CentralRig) -> None:
    """A typing mistake is named."""
    with pytest.raises(CentralFault, match="no ticket 'A11'"):
        cancel(rig.central, "A11")


def test_many_changes_become_a_new_list(
    rig: CentralRig, north: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gate that was away does not have to read a year of deltas."""
    monkeypatch.setattr(lists, "FEW_CHANGES", 2)
    for ticket_id in ("A1", "A2", "A3", "G4"):
        cancel(rig.central, ticket_id)
    reader = Reader(rig, north)
    assert reader.read() == [Type.KEYSET, Type.POLICY, Type.LIST]
    assert status(reader, rig, "A3") == status(reader, rig, "G4") == Status.CANCELLED


def test_an_unchanged_list_is_confirmed(rig: CentralRig, north: Device, clock: FakeClock) -> None:
    """Silence is not the same as no news: every few minutes the list is said to be current."""
    reader = Reader(rig, north)
    reader.read()
    assert refresh(rig.central) == ""
    clock.advance(CONFIRM_EVERY)
    assert refresh(rig.central) == "delta"
    assert reader.read() == [Type.DELTA]
    assert reader.last[Type.LIST].issued == int(clock.at)


@ON_SQLITE
def test_serials_rise_even_from_an_old_copy(
    rig: CentralRig, north: Device, clock: FakeClock, tmp_path: Any
) -> None:
    """A server restored from last night's copy is not refused as rolled back."""
    rig.central.database.close()
    copy = (tmp_path / "central.db").read_bytes()
    reader = Reader(rig, north)
    cancel(rig.central, "A1")
    reader.read()
    rig.central.database.close()
    (tmp_path / "central.db-wal").unlink(missing_ok=True)
    (tmp_path / "central.db").write_bytes(copy)
    clock.advance(60.0)
    before = reader.last[Type.LIST].serial
    assert publish_list(rig.central) > before


def test_the_last_two_bodies_are_kept(rig: CentralRig, north: Device) -> None:
    """A gate may be in the middle of the one before; an older one is gone, and says so."""
    hashes = []
    for number in range(3):
        rig.import_csv(f"id\nN{number}\n")
        reader = Reader(rig, north)
        reader.read()
        body = reader.last[Type.LIST].body
        assert isinstance(body, ListHead)
        hashes.append(body.hash.hex())
    found = [north.get(f"/v1/lists/{digest}") for digest in hashes]
    assert [answer.status_code for answer in found] == [404, 200, 200]
    assert found[0].json()["error"] == "list_gone"


def test_a_list_of_many_pieces_is_one_stream(
    rig: CentralRig, north: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bodies are kept and sent in pieces; together they are the list."""
    monkeypatch.setattr(lists, "CHUNK", 256)
    monkeypatch.setattr(lists, "_READ", 50)
    rig.import_csv("id\n" + "".join(f"T{n}\n" for n in range(500)))
    reader = Reader(rig, north)
    reader.read()
    assert len(reader.tickets) == 500 + len(CSV.splitlines()) - 1


def test_a_change_while_the_list_is_made_follows_it(
    rig: CentralRig, north: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The snapshot misses it, so a delta brings it, in the same moment as the list."""
    write = lists._write_body

    def meanwhile(central: Any, *rest: Any) -> Any:
        written = write(central, *rest)
        monkeypatch.setattr(lists, "_write_body", write)
        cancel(central, "A1")
        return written

    monkeypatch.setattr(lists, "_write_body", meanwhile)
    publish_list(rig.central)
    reader = Reader(rig, north)
    assert reader.read()[-2:] == [Type.LIST, Type.DELTA]
    assert status(reader, rig, "A1") == Status.CANCELLED


def test_bad_rows_are_named_and_good_ones_imported(rig: CentralRig, north: Device) -> None:
    """A double id, a wrong encoding and a wrong number cost one row each."""
    bad = rig.central and rig.import_csv("id,product\nB1,1\nB1,2\nB2,x\nB3,2\n")
    assert [row.line for row in bad] == [3, 4]
    reader = Reader(rig, north)
    reader.read()
    assert rig.key("B1") in reader.tickets
    assert rig.key("B3") in reader.tickets
    assert rig.key("A1") in reader.tickets


def test_a_file_that_is_no_list_changes_nothing(rig: CentralRig, north: Device) -> None:
    """The whole file is refused by name, before anything is written."""
    reader = Reader(rig, north)
    reader.read()
    with pytest.raises(CsvRejected):
        rig.import_csv("name\nMary\n")
    assert reader.read() == []


def test_an_old_file_does_not_undo_a_cancellation(rig: CentralRig, north: Device) -> None:
    """Cancelled by hand stays cancelled until it is taken back by hand."""
    cancel(rig.central, "A1")
    rig.import_csv(CSV)
    reader = Reader(rig, north)
    reader.read()
    assert status(reader, rig, "A1") == Status.CANCELLED


def test_a_replaced_code_is_revoked(rig: CentralRig, north: Device) -> None:
    """A ticket that is sent out anew under the same id makes the old one worthless."""
    rig.import_csv("id,code\nA1,NEW-CODE-0001\n")
    reader = Reader(rig, north)
    reader.read()
    assert status(reader, rig, "A1") == Status.REVOKED
    assert north.claim(b"\1" * 16, rig.key("A1"))["reason"] == "revoked"
    rig.import_csv(CSV)
    reader.read()
    assert status(reader, rig, "A1") == Status(0)


def test_the_time_is_signed_for_the_asker(rig: CentralRig, north: Device, clock: FakeClock) -> None:
    """An old answer cannot be shown again, because it is for another nonce."""
    reader = Reader(rig, north)
    reader.read()
    beat = north.post("/v1/heartbeat", {"nonce": "07" * 16, "health": {"ready": True}}).json()
    statement = read_statement(base64.b64decode(beat["time"]), EVENT, reader.keyring)
    assert statement.body == ServerTime(b"\7" * 16, int(clock.at * 1000))


def test_the_server_runs_without_root_and_issuer_key(rig: CentralRig, north: Device) -> None:
    """After `init` both can be taken off the computer; only init itself needs the root again."""
    for name in ("root", "issuer"):
        (rig.keys / f"{name}.toml").unlink()
    reopened = reopen(rig)
    cancel(reopened.central, "A1")
    reopened.central.database.close()
    with pytest.raises(KeyFault, match="root"):
        initialise(rig.db, rig.keys)


def test_a_database_that_is_not_ours_is_named(tmp_path: Any, rig: CentralRig) -> None:
    """None, no SQLite, and one that `init` has not made."""
    with pytest.raises(CentralFault, match="no database"):
        open_central(f"sqlite:///{tmp_path}/none.db", rig.keys)
    (tmp_path / "noise.db").write_bytes(b"noise" * 1000)
    with pytest.raises(CentralFault, match="cannot be used"):
        open_central(f"sqlite:///{tmp_path}/noise.db", rig.keys)
    (tmp_path / "empty.db").touch()
    with pytest.raises(CentralFault):
        open_central(f"sqlite:///{tmp_path}/empty.db", rig.keys)
    with pytest.raises(CentralFault, match="keeps nothing"):
        open_central("sqlite://", rig.keys)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.toml", "[lists.main]\nentires = 1\n"),
        ("p.toml", "[lists.main]\nvalid_from = 2026-07-01T12:00:00\n"),
        ("p.toml", "[gates]\n"),
        ("p.toml", "not toml"),
        ("p.json", "[" * 5000),
        ("p.json", "[]"),
    ],
)
def test_a_policy_with_a_mistake_is_named(
    rig: CentralRig, tmp_path: Any, name: str, text: str
) -> None:
    """Nothing is published that a gate could not use."""
    (tmp_path / name).write_text(text)
    with pytest.raises(CentralFault):
        publish_policy(rig.central, read_policy(tmp_path / name))


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ({"lists": {"main": {"entires": 1}}, "products": {}}, "did you mean 'entries'?"),
        ({"lists": {}, "products": {"9": {"stuff": True}}}, "did you mean 'staff'?"),
    ],
)
def test_a_field_with_a_slip_is_guessed(
    rig: CentralRig, body: dict[str, object], cause: str
) -> None:
    """The name that was meant, and where all of them are told."""
    with pytest.raises(CentralFault, match=re.escape(cause)) as caught:
        publish_policy(rig.central, body)
    assert caught.value.remedy == "See docs/central.md"


def test_every_field_of_a_policy_is_documented() -> None:
    """docs/central.md has a row for each."""
    text = (ROOT / "docs" / "central.md").read_text()
    fields = {*CheckInList.__slots__, *Product.__slots__} - {"number"}
    assert [name for name in sorted(fields) if f"| `{name}`" not in text] == []


def test_a_policy_file_may_name_times_with_a_zone(tmp_path: Any) -> None:
    """TOML has date-times; gates get Unix seconds."""
    file = tmp_path / "policy.toml"
    file.write_text(
        "[lists.main]\nvalid_from = 1970-01-01T02:00:00+01:00\n[products.9]\nstaff=true"
    )
    assert read_policy(file) == {
        "lists": {"main": {"valid_from": 3600}},
        "products": {"9": {"staff": True}},
    }
