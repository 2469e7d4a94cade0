"""What a steward reads when pretix is not what it was: each with its cause and what to do.

pretix is simulated, behind real TLS; what sync tells goes through scanner's own door into the
status that the steward's page shows.
"""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from config.read import parse_config
from scanner.sockets import Peer, PeerMessage
from scanner.sync_door import SyncDoor
from store.records import GENESIS, Entry, Kind, Record, chain_hash, entry_to_json
from store.withdrawn import Withdrawn, write_mark
from sync.certificates import pin_of
from sync.http import Http
from sync.pretix.awaiting import Awaiting
from sync.pretix.codes import Codes
from sync.pretix.errors import DeviceRevoked
from sync.report import Report
from tests.rigs.certificates_rig import (
    AUTHORITY,
    DAY,
    NOW,
    OTHER,
    SERVER,
    Key,
    authority_file,
    certificate,
    der,
    shows,
)
from tests.rigs.fake_pretix import EVENT, NO_PERMISSION, FakePretix, valid_key
from tests.rigs.gate_doors import DoorRig
from tests.rigs.pretix_gate import PretixGate
from tests.rigs.sync_scanner import SyncScanner
from tickets.errors import GateError

CONFIG = """\
[gate]
name = "north"
event = "PTX"
[server]
kind = "pretix"
url = "{url}"
organizer = "big"
[[lane]]
name = "entry"
direction = "entry"
check_in_list = "main"
readers = ["camera:files:/nowhere"]
turnstile = "turnstile:sim"
"""


class NoCodes(Codes):
    """Sealed for an enrolment before: none opens."""

    def __init__(self) -> None: ...

    def of(self, epoch: bytes, seqs: Sequence[int]) -> dict[int, bytes]:
        return {}


class Bench:
    """A gate that has worked with pretix behind TLS, and the status of its steward's page."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.server = directory, FakePretix()
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.certify()
        self.server.over_tls(self._tls)
        self.server.order("A", self.server.position("s1"))
        pins = (pin_of(der(certificate(SERVER))),)
        http = Http(self.server.url, authority_file(directory / "ca.pem"), pins=pins)
        self.gate = PretixGate(directory, self.server.url, self.server.token, http=http)
        self.gate.poll()
        self.door = DoorRig(directory / "scanner")

    def certify(self, key: Key = SERVER, **change: Any) -> None:
        """Serve with another certificate, by the authority, from the next connection on."""
        made = certificate(key, signer=AUTHORITY, **change)
        shows(self._tls, made, self.directory / "server.pem", key)

    def restarts(self) -> None:
        """The server ends its connections, and is there again."""
        self.server.cut_at = 1
        with suppress(GateError):
            self.gate.poll()
        self.server.cut_at = None

    def page(self) -> dict[str, str]:
        """The fault of the exchange that the page shows after another round; empty: none."""
        with suppress(GateError):
            self.gate.poll()
        gate = self.gate
        report = Report(gate.server, gate.mirror, gate.puller, lambda: 0, lambda: gate.now)
        return self.told({"server": report.state()})

    def told(self, message: dict[str, Any]) -> dict[str, str]:
        """The same, after sync has said this."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            heard: PeerMessage = json.loads(json.dumps(message))
            SyncDoor(self.door.gate, lambda _: True).answer(Peer(theirs, "sync", 0), heard)
        shown = self.door.gate.status()["faults"]
        return next((fault for fault in shown if fault["name"] == "sync"), {})

    def started_again(self) -> dict[str, str]:
        """The same, after the revoked gate has wiped itself and sync was started again."""
        state, run = self.directory / "wiped", self.directory / "run"
        state.mkdir()
        run.mkdir()
        write_mark(state, Withdrawn("0" * 16, "", wiped=True))
        config = parse_config(CONFIG.format(url=self.server.url).encode())
        scanner = SyncScanner(run)
        waiting = Awaiting(
            config, self.gate.http, state, run / "sync.sock", alive=lambda: None, wait=_over
        )
        threading.Thread(target=_until_over, args=(waiting.enrolment,), daemon=True).start()
        said = scanner.wait_told(lambda message: "server" in message)
        scanner.die()
        return self.told(said)


def _over(_: float) -> None:
    raise SystemExit  # scanner has gone


def _until_over(work: Callable[[], object]) -> None:
    with suppress(SystemExit):
        work()


class Trouble(NamedTuple):
    """What happens at pretix or on the way there, and what the page says then."""

    name: str
    happens: Callable[[Bench], object]
    cause: str
    remedy: str
    page: Callable[[Bench], dict[str, str]] = Bench.page


def certificate_is(*, key: Key = SERVER, **change: Any) -> Callable[[Bench], None]:
    def happens(bench: Bench) -> None:
        bench.certify(key, **change)
        bench.restarts()

    return happens


def another_signing_key(bench: Bench) -> None:
    key = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    bench.server.events[EVENT]["valid_keys"] = {"pretix_sig1": [valid_key(key)]}


def event_taken_away(bench: Bench) -> None:
    bench.server.refuse[f"events/{EVENT}/"] = (403, NO_PERMISSION)


def revoked(bench: Bench) -> None:
    bench.server.revoked_device = True
    with pytest.raises(DeviceRevoked):
        bench.gate.poll()


TROUBLES = [
    Trouble(
        "expired certificate",
        certificate_is(since=NOW - 9 * DAY, until=NOW - DAY),
        "has expired by this gate's clock",
        "renew the server's certificate",
    ),
    Trouble(
        "certificate of tomorrow",
        certificate_is(since=NOW + DAY, until=NOW + 9 * DAY),
        "not valid yet by this gate's clock",
        "time server",
    ),
    Trouble(
        "changed key of the server, under a pin",
        certificate_is(key=OTHER),
        "admit.toml pins another",
        "Ask the organiser whether the key was changed",
    ),
    Trouble(
        "changed key of the event's signed codes",
        another_signing_key,
        "another key for the signed codes of event demo",
        "new tickets",
    ),
    Trouble(
        "event taken away",
        event_taken_away,
        "no longer lets this device read event demo",
        "Give the device the event again",
    ),
    Trouble(
        "revoked device",
        revoked,
        "has revoked this device",
        "add a new device in pretix",
        Bench.started_again,
    ),
]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.server.stop()


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
def test_a_trouble_with_pretix_is_named_on_the_page_with_its_remedy(
    bench: Bench, trouble: Trouble
) -> None:
    """And the tickets stay in use; a revoked gate has wiped them before it says so."""
    assert bench.page() == {}
    trouble.happens(bench)
    shown = trouble.page(bench)
    assert trouble.cause in shown.get("cause", "")
    assert trouble.remedy in shown["remedy"]
    assert trouble.page is not Bench.page or bench.gate.row("s1") is not None


def test_a_changed_signing_key_holds_up_nothing_and_is_no_news_after_a_day(bench: Bench) -> None:
    """What it says is for the organiser; the list is as current as before."""
    bench.page()
    another_signing_key(bench)
    assert "another key" in bench.page()["cause"]
    assert bench.gate.puller.completed == bench.gate.now
    bench.server.tick(86_400)
    assert bench.page() == {}


def test_a_key_that_is_added_changes_no_ticket(bench: Bench) -> None:
    bench.page()
    keys = bench.server.events[EVENT]["valid_keys"]["pretix_sig1"]
    another_signing_key(bench)
    bench.server.events[EVENT]["valid_keys"]["pretix_sig1"] += keys
    assert bench.page() == {}


def test_scans_not_sent_before_a_revocation_are_parked_after_the_next_enrolment(
    bench: Bench, tmp_path: Path
) -> None:
    """Nothing names their tickets any more: the key of their names and their codes' are wiped."""
    record = Record(
        Kind.SCAN,
        b"P" * 16,
        at=1_795_000_000.0,
        ticket_key=bench.gate.key("s1"),
        list="main (demo)",
        direction="entry",
        verdict="admitted",
    )
    bench.server.token = "another"
    (tmp_path / "anew").mkdir()
    url, http = bench.server.url, bench.gate.http
    gate = PretixGate(tmp_path / "anew", url, "another", codes=NoCodes(), http=http)
    gate.poll()
    entry = Entry(1, record, GENESIS, chain_hash(1, GENESIS, record))
    (answer,) = gate.server.push(b"epoch..1", [entry_to_json(entry)], (1, b"")).answers
    assert answer.result == "parked"
    assert "does not know the ticket" in (answer.reason or "")
