"""What sync says of the server: shown, bounded, and never believed further than it goes."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scanner.bookkeeper import Bookkeeper
from scanner.sockets import Peer, PeerMessage
from scanner.sync_door import SyncDoor
from store.records import Kind, Record
from tests.rigs.gate_doors import DoorRig


class Bench(DoorRig):
    """A gate and sync's connection to it."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(directory)
        self.sent: list[Any] = []
        self.door = SyncDoor(self.gate, self._sent)
        self.ours, theirs = socket.socketpair()
        self.peer = Peer(theirs, "sync", 0)
        self.contacts: list[float] = []
        monkeypatch.setattr(self.gate.books, "contacted", self.contacts.append)

    def _sent(self, message: dict[str, object]) -> bool:
        self.sent.append(message)
        return True

    def say(self, **state: Any) -> None:
        """sync tells of the server."""
        self.door.answer(self.peer, json.loads(json.dumps({"server": state})))


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """One."""
    bench = Bench(tmp_path, monkeypatch)
    yield bench
    bench.ours.close()
    bench.peer.connection.close()


def test_only_a_complete_poll_makes_the_list_newer(bench: Bench) -> None:
    """Pings and claims are answered, statements are refused for days: that list grows old."""
    bench.say(online=True, last_contact=1, list_age=None)
    bench.say(online=True, last_contact=2)
    assert bench.contacts == []
    bench.say(online=True, last_contact=3, list_age=12.5)
    assert bench.contacts == [12.5]
    bench.say(online=False, last_contact=3, list_age=13)
    assert bench.contacts == [12.5, 13]


def test_what_is_wrong_with_the_exchange_is_a_fault_of_the_gate(bench: Bench) -> None:
    """With its remedy, until sync says that it is over."""
    fault = {"cause": "statement refused (roll_back)", "remedy": "Check the server"}
    bench.say(online=True, fault=fault)
    assert bench.causes() == {"sync": "statement refused (roll_back)"}
    bench.say(online=True, fault=None)
    assert bench.causes() == {}


@pytest.mark.parametrize(("keys", "faults"), [(False, set()), (True, {"server_time"})])
def test_the_servers_time_is_judged_once_there_are_keys(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, keys: bool, faults: set[str]
) -> None:
    """A gate that is just being enrolled has none: what it cannot judge yet is no forgery."""
    monkeypatch.setattr(Bookkeeper, "has_keys", keys)
    bench.door.beat()
    nonce = bench.sent[-1]["heartbeat"]["nonce"]
    bench.door.answer(bench.peer, {"beat": {"nonce": nonce, "time": "", "commands": []}})
    assert set(bench.causes()) == faults


def test_a_long_fault_is_cut(bench: Bench) -> None:
    """It is shown in every status, which must stay small enough to be sent."""
    bench.say(online=True, fault={"cause": "x" * 60_000, "remedy": "y" * 60_000})
    assert len(json.dumps(bench.gate.status())) < 5000


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)
NAMES = st.sampled_from(["online", "last_contact", "waiting", "parked", "list_age", "fault"])


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(state=st.dictionaries(NAMES, ODD))
def test_nothing_that_sync_says_spoils_the_status(bench: Bench, state: dict[str, Any]) -> None:
    """A hacked sync: the status stays plain JSON, and no age is negative or no number."""
    bench.say(**state)
    json.dumps(bench.gate.status(), allow_nan=False)
    assert all(age >= 0 for age in bench.contacts)


def test_what_others_hold_of_the_journal_ends_it_and_the_ended_one_can_be_read(
    bench: Bench,
) -> None:
    """By its epoch; one that there never was is refused by name."""
    keeper = bench.gate.journal
    before = keeper.journal()
    before.record(Record(Kind.FAULT, detail="a record"))
    seen = {"epoch": before.epoch.hex(), "seq": 99, "hash": ""}
    bench.door.answer(bench.peer, {"seen": seen})
    assert keeper.renew() is not None
    page = bench.door.answer(bench.peer, {"op": "records", "after": 0, "limit": 9})
    assert page is not None and page["older"] == [before.epoch.hex()]
    asked = {"op": "records", "after": 0, "limit": 9, "epoch": before.epoch.hex()}
    older = bench.door.answer(bench.peer, asked)
    assert older is not None
    told = [record["detail"] for record in older["records"]]
    assert (told, older["head"], older["hash"]) == (["a record"], 1, before.head.hex())
    with pytest.raises(PeerMessage, match="no journal"):
        bench.door.answer(bench.peer, asked | {"epoch": "00" * 8})
