"""At pretix the gate's own notary is the root: named by the enrolment, believed from then on."""

import json
from pathlib import Path

import pytest

from admission.clock import FakeClock
from scanner.admissions import NotReady
from scanner.bookkeeper import Bookkeeper
from scanner.identity import Identity
from tests.rigs.fake_pretix import FakePretix
from tests.rigs.pretix_gate import NAME, PretixGate
from tickets.errors import GateError


def keeper(state: Path) -> Bookkeeper:
    faults: dict[str, GateError | None] = {}
    return Bookkeeper(
        event=NAME,
        root_keys=(),
        threshold=1,
        directory=state / "sync",
        own=state / "scanner",
        clock=FakeClock(),
        report=faults.__setitem__,
        kind="pretix",
    )


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "sync").mkdir()
    (tmp_path / "scanner").mkdir()
    return tmp_path


def test_before_the_enrolment_the_gate_says_what_to_do(state):
    books = keeper(state)
    books.poll()
    with pytest.raises(NotReady, match="not enrolled at pretix") as caught:
        books.books()
    assert "set-up code" in caught.value.remedy


def test_what_was_downloaded_is_believed_by_the_key_of_the_enrolment(state):
    server = FakePretix()
    try:
        books = keeper(state)
        books.poll()
        gate = PretixGate(state / "sync", server.url, server.token)
        server.order("A", server.position("s1"))
        gate.poll()
        books.poll()
        found = books.books()
        assert found.ticket(gate.key("s1")) is not None
        assert found.policy.lists["main"].members
    finally:
        server.stop()


def test_an_enrolment_without_a_root_is_none(state):
    path = state / "sync" / "identity.json"
    known = {"device": "0" * 16, "event": NAME, "event_key": "00" * 32}
    path.write_text(json.dumps(known))
    with pytest.raises(NotReady, match="notary"):
        Identity.read(path, NAME, "pretix")
