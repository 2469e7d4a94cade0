"""Names at the gate: told once, to who asked for them, while the ticket is shown; kept nowhere."""

import io
import json

import pytest

from scanner.guests import MOST_WAITING, Guests
from scanner.showing import Showing
from store.names_file import build_names
from tests.rigs.gate_rig import EVENT_KEY, EVENT_SECRET, GateRig, code, key_of, row
from tickets.credential import Credential, Flaw, Format, Rejection
from tickets.keys import cti_of
from tickets.names import seal_name


def credential(name: str) -> Credential:
    return Credential(Format.AD1, cti_of(EVENT_SECRET, name))


def sealed(*guests: tuple[str, str]) -> io.BytesIO:
    found = {key_of(t): seal_name(EVENT_KEY, credential(t), name) for t, name in guests}
    return io.BytesIO(b"".join(key + found[key] for key in sorted(found)))


class Bench:
    """A gate whose names are told to a list."""

    def __init__(self, directory, shown="full"):
        self.rig = GateRig(directory, [row("A1"), row("A2")])
        build_names(directory, 3, sealed(("A1", "Ada Lovelace"), ("A2", "Grace Hopper")))
        self.told = []
        books = lambda: self.rig.current_books  # noqa: E731
        self.guests = Guests(directory, shown, books, self.told.append)
        for lane in self.rig.lanes.values():
            lane._introduce = self.guests.introduce

    def show(self, payload: bytes) -> list[dict]:
        self.told.clear()
        self.rig.show(payload)
        self.guests.step(0.0)
        return [message["guest"] for message in self.told]


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_the_name_is_told_with_the_presentation_of_its_verdict(bench):
    (guest,) = bench.show(code("A1"))
    (verdict,) = (event for event in bench.rig.events if event["kind"] == "verdict")
    assert guest == {
        "lane": "entry-1",
        "presentation": verdict["presentation"],
        "name": "Ada Lovelace",
    }


def test_it_is_in_no_event_status_or_record(bench):
    """A late subscriber, a page after its reconnection and the journal know nothing of it."""
    bench.show(code("A1"))
    said = json.dumps(bench.rig.events)
    records = [repr(entry.record) for entry in bench.rig.journal.after(0, 100)]
    assert len(records) > 0
    for part in ("Ada", "Lovelace"):
        assert part not in said and not any(part in record for record in records)
        assert part not in repr(bench.rig.lanes["entry-1"].__dict__)


@pytest.mark.parametrize(
    ("shown", "name"), [("full", ["Ada Lovelace"]), ("fragment", ["A. Lov…"]), ("none", [])]
)
def test_the_configuration_says_how_much_is_told(tmp_path, shown, name):
    assert [guest["name"] for guest in Bench(tmp_path, shown).show(code("A1"))] == name


def test_nothing_is_opened_without_the_ticket(bench):
    """A forged ticket, a stranger's code, a key without its code."""
    forged = code("A1")[:-8] + b"00000000"
    assert bench.show(forged) == []
    assert bench.show(b"no such code") == []
    thief = Showing(
        lane="entry-1",
        direction=bench.rig.lanes["entry-1"].settings.first_direction,
        check_in_list="main",
        medium="qr",
        credential=Credential(Format.AD1, key_of("A1")),
        ticket_key=key_of("A1"),
    )
    bench.told.clear()
    bench.guests.introduce(thief)
    bench.guests.step(0.0)
    assert bench.told == []


def test_a_lane_never_waits_for_names(bench):
    """What does not keep up is dropped: a verdict without a name is one all the same."""
    showing = Showing(
        lane="entry-1",
        direction=bench.rig.lanes["entry-1"].settings.first_direction,
        check_in_list="main",
        medium="qr",
        credential=credential("A1"),
        ticket_key=key_of("A1"),
    )
    for _ in range(MOST_WAITING + 50):
        bench.guests.introduce(showing)
    for _ in range(MOST_WAITING + 5):
        bench.guests.step(0.0)
    assert len(bench.told) == MOST_WAITING


def test_bytes_that_are_no_ticket_are_not_introduced(bench):
    showing = Showing(
        lane="entry-1",
        direction=bench.rig.lanes["entry-1"].settings.first_direction,
        check_in_list="main",
        medium="qr",
        credential=Rejection(Flaw.UNREADABLE),
        ticket_key=None,
    )
    bench.guests.introduce(showing)
    bench.guests.step(0.0)
    assert bench.told == []


def test_a_gate_without_a_names_file_tells_none(tmp_path, bench):
    for path in tmp_path.glob("names-*"):
        path.unlink()
    assert bench.show(code("A1")) == []
