"""Cards at two real gates with one central: live, copied, forged. The chips are simulated."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.cards import app as cards
from drivers.nfc_card_424 import Memory, PocketCard
from drivers.nfc_make import make
from drivers.nfc_type4 import read_type4
from store.mirror import MirrorReader
from store.records import Kind
from tests.rigs.central_rig import CentralRig, make_event
from tests.rigs.nfc_rig import Visitor
from tests.rigs.real_gate import RealGate, until
from tickets.credential import Credential, Format
from tickets.key_files import Role, load_key
from tickets.keys import ticket_key
from tickets.ntag424.keys import LIVE, DeskKeys, desk_keys
from tickets.ntag424.layout import LIVE_ONLY, signed_url

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(180), pytest.mark.xdist_group("cards")]

SIGNED = signed_url("https://t.example/e")
POLICY: dict[str, object] = {"lists": {"main": {}}, "products": {"1": {"name": "Season"}}}


class Guest(Visitor):
    """Whoever stands at one gate with something to hold to its reader."""

    def __init__(self, path: Path, gate: RealGate) -> None:
        super().__init__(path)
        self.gate, self.ids = gate, count(1000)

    def put(self, **card: Any) -> None:
        """Hold a card to the reader until it has seen it."""
        self._connected().send(json.dumps({"id": next(self.ids), **card}).encode())
        assert "error" not in self.told()

    def shows(self, **card: Any) -> dict[str, Any]:
        """The verdict on a card; one that was in view a moment ago is shown again until looked at.

        Another card in between has the reader forget the one before: copies have its UID.
        """
        since = self.gate.mark()
        for _ in range(8):
            self.put(card="ntag213", uid="04ffffffffffff", ms=500)
            self.put(**card, ms=700)
            with contextlib.suppress(AssertionError):
                verdict = self.gate.wait(since, 2.5, kind="verdict", medium="nfc")
                if verdict["verdict"] == "admitted":
                    self.gate.wait(since, kind="outcome", presentation=verdict["presentation"])
                return verdict
        raise AssertionError(f"no verdict: {self.gate.events[since:]}")


@dataclass
class Venue:
    """Two gates with a reader of cards each."""

    central: CentralRig
    keys: DeskKeys
    directory: Path
    north: Guest
    south: Guest

    def pocket(self, name: str) -> dict[str, Any]:
        """The card of that name, as it is held to a reader."""
        return {"card": "ntag424", "file": str(self.directory / f"{name}.json")}

    def message(self, name: str) -> str:
        """What a thief's phone reads off the card: its next message, in hex."""
        card = PocketCard(self.directory / f"{name}.json")
        card.select()
        return read_type4(card.apdu).hex()

    def copy(self, name: str, message: str) -> dict[str, Any]:
        """A tag with the UID of a card and one of its messages."""
        return {"card": "type4", "uid": self.uid(name).hex(), "ndef": message}

    def uid(self, name: str) -> bytes:
        return PocketCard(self.directory / f"{name}.json").uid

    def key(self, name: str) -> bytes:
        """The ticket key of a card."""
        credential = Credential(Format.NTAG424, self.uid(name))
        return ticket_key(self.central.central.event_key, credential)

    def told(self, guest: Guest, name: str, counter: int) -> None:
        """Wait until a gate has heard from central of a message shown elsewhere."""
        mirror = MirrorReader(guest.gate.state / "sync" / "mirror.db")

        def heard() -> bool:
            return counter in {row.counter for row in mirror.redemptions(self.key(name)).rows}

        until(heard, f"counter {counter} in the mirror of {guest.gate.name}", 30)


class _Hand:
    """A card on the desk."""

    def __init__(self, card: PocketCard) -> None:
        card.select()
        self.uid, self.apdu = card.uid, card.apdu


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    base = tmp_path_factory.mktemp("cards")
    central = make_event(base, csv=None, policy=POLICY)
    keys = desk_keys(load_key(central.keys, Role.CARDS).secret)
    rows = "id,entries,card\n"
    for name, layout, entries in (
        ("season", SIGNED, 0), ("single", LIVE_ONLY, 1), ("lent", SIGNED, 0), ("again", SIGNED, 0)
    ):  # fmt: skip
        card = PocketCard(base / f"{name}.json")
        make(_Hand(card), keys, layout)
        rows += f"{name},{entries},{card.uid.hex()}\n"
    assert central.import_csv(rows) == []
    central.start()
    guests = []
    with contextlib.ExitStack() as opened:
        for name in ("north", "south"):
            path = base / f"{name}.nfc"
            gate = RealGate(base, name, central, central.url, more_readers=[f"nfc:sim:{path}"])
            guests.append(Guest(path, opened.enter_context(gate)))
            gate.start()
        for guest in guests:
            guest.gate.ready()
        yield Venue(central, keys, base, *guests)
    for guest in guests:
        guest.close()
    central.kill()
    central.central.database.close()


def test_a_card_enters_by_its_live_answer_once(venue: Venue) -> None:
    """At one gate, and not again at the other."""
    first = venue.north.shows(**venue.pocket("single"))
    assert (first["verdict"], first["claim"]) == ("admitted", "granted")
    (scan,) = venue.north.gate.records(Kind.SCAN, presentation=first["presentation"])
    assert (scan.record.format, scan.record.medium, scan.record.counter) == ("ntag424", "nfc", None)
    second = venue.south.shows(**venue.pocket("single"))
    assert second["reason"] in ("already_redeemed", "taken_elsewhere")


def test_a_copy_of_all_but_the_keys_is_forged(venue: Venue) -> None:
    copy = PocketCard(venue.directory / "copy.json")
    copy.uid = venue.uid("season")
    copy.memory = Memory(versions=[venue.keys.gate.version] * 5)
    copy.keep()
    verdict = venue.north.shows(**venue.pocket("copy"))
    assert verdict["reason"] == "forged"
    assert "another key" in verdict["detail"]


def test_another_card_s_key_under_this_one_s_uid_is_forged(venue: Venue) -> None:
    """A thief who reads the keys out of a chip has those of that chip alone."""
    copy = PocketCard(venue.directory / "other.json")
    lent = PocketCard(venue.directory / "lent.json")
    copy.uid, copy.memory = venue.uid("season"), lent.memory
    assert copy.memory.keys[LIVE] != PocketCard(venue.directory / "season.json").memory.keys[LIVE]
    copy.keep()
    assert venue.south.shows(**venue.pocket("other"))["reason"] == "forged"


def test_a_copied_message_works_once_and_is_replayed_here_and_at_the_other_gate(
    venue: Venue,
) -> None:
    """The ticket allows any number of entries: nothing but the counter stops the copy."""
    copy = venue.copy("season", venue.message("season"))
    first = venue.north.shows(**copy)
    assert first["verdict"] == "admitted"
    (scan,) = venue.north.gate.records(Kind.SCAN, presentation=first["presentation"])
    assert scan.record.counter == 1
    assert venue.north.shows(**copy)["reason"] == "replayed"
    venue.told(venue.south, "season", 1)
    assert venue.south.shows(**copy)["reason"] == "replayed"


def test_the_true_card_goes_on_entering_after_its_message_was_copied(venue: Venue) -> None:
    assert venue.south.shows(**venue.pocket("season"))["verdict"] == "admitted"


def test_a_message_held_by_another_uid_is_forged(venue: Venue) -> None:
    """A phone makes up its UID; a tag has its own."""
    phone = venue.copy("lent", venue.message("lent")) | {"uid": "04aabbccddeeff"}
    assert venue.north.shows(**phone)["reason"] == "forged"


def test_the_desk_reads_a_card_and_says_what_the_gate_would(venue: Venue) -> None:
    """Nothing is recorded by the question."""
    desk = Visitor(venue.directory / "desk.nfc")
    card = {"id": 1, **venue.pocket("single")}
    person = threading.Thread(target=lambda: desk._connected().send(json.dumps(card).encode()))
    person.start()
    before = venue.north.gate.status()["journal"]["seq"]
    words = ["read", "--json", "--reader", desk.uri, "--keys", str(venue.central.keys)]
    result = CliRunner().invoke(cards, [*words, "--run", str(venue.north.gate.run)])
    person.join()
    desk.close()
    found = json.loads(result.output)
    assert (found["state"], found["live"], found["message"]) == ("made", "live", None)
    assert found["reason"] in ("already_redeemed", None)
    assert venue.north.gate.status()["journal"]["seq"] == before


def test_a_used_message_is_still_known_after_the_gate_was_killed(venue: Venue) -> None:
    copy = venue.copy("again", venue.message("again"))
    gate = venue.north.gate
    assert venue.north.shows(**copy)["verdict"] == "admitted"
    gate.kill("scanner")
    venue.north.forget()
    gate.start("scanner")
    gate.ready()
    assert venue.north.shows(**copy)["reason"] == "replayed"


def test_no_key_and_no_uid_is_in_a_log_or_in_the_journal(venue: Venue) -> None:
    """The lane's process has no key of a card, in any file that it reads or writes but sync's."""
    master = venue.keys.gate.master
    for guest in (venue.north, venue.south):
        state = guest.gate.state
        assert json.loads((state / "sync" / "cards.json").read_text())["card_key"] == master.hex()
        written = [p for p in (state / "scanner").rglob("*") if p.is_file()]
        written += [*guest.gate.directory.glob("*.log"), state / "sync" / "identity.json"]
        for path in written:
            data = path.read_bytes()
            for secret in (master, venue.uid("season")):
                assert secret not in data, path
                assert secret.hex().encode() not in data, path
