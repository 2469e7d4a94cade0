"""A ticket lives on one phone at a time; whatever showed it before is revoked at every gate."""

import hashlib
import os
from dataclasses import replace
from typing import Any

import pytest

from admission.clock import FakeClock
from central.errors import CentralFault, ProtocolError
from central.guests import publish_names
from central.imports import cancel
from central.lists import refresh
from central.schema import guest, ticket, wallet
from central.setup import initialise
from central.wallet import binding
from central.wallet.links import Settings, make_links
from store.records import Kind
from tests.central.conftest import ON_SQLITE
from tests.rigs.central_rig import EVENT, CentralRig, Device, reopen
from tickets import ad2, cose
from tickets.credential import Credential, Format
from tickets.key_files import Role, key_path, load_key, new_key, save_key
from tickets.keys import ticket_key
from tickets.names import open_name
from tickets.parse import parse
from tickets.rows import Status
from tickets.trust import trust_of

URL = "https://tickets.example"
DOORS = 3600.0
"""Seconds from the start of a test to the doors."""


class Phone:
    """A guest's phone, with a key of its own."""

    def __init__(self, name: str) -> None:
        self.seed = hashlib.sha256(name.encode()).digest()
        self.key = cose.public_key_of(self.seed)

    def proof(self, event: str = EVENT) -> bytes:
        from nacl.signing import SigningKey

        return SigningKey(self.seed).sign(binding.challenge(event, self.key)).signature


@pytest.fixture
def links(rig: CentralRig, clock: FakeClock) -> dict[str, str]:
    """The secret of each ticket's link."""
    return links_of(rig, clock.at + DOORS)


def links_of(rig: CentralRig, doors: float) -> dict[str, str]:
    made = make_links(rig.central, URL, Settings(doors, "Summer Fair"))
    return {reference: link.partition("#")[2] for reference, link in made}


def move(rig: CentralRig, secret: str, phone: Phone) -> bytes:
    return binding.move(rig.central, secret, phone.key, phone.proof())


def refused(rig: CentralRig, secret: str, phone: Phone) -> str:
    with pytest.raises(ProtocolError) as caught:
        move(rig, secret, phone)
    return caught.value.name


def credential_of(rig: CentralRig, shown: bytes) -> Credential:
    """What a gate reads, that trusts the issuers of the keyset."""
    keys = [load_key(rig.keys, role) for role in (Role.ISSUER, Role.WALLET)]
    found = parse(shown, trust_of(EVENT, {key.kid: key.public for key in keys}))
    assert isinstance(found, Credential), found
    return found


def flags_of(rig: CentralRig, shown: bytes) -> Status:
    """What the list says of a code."""
    key = ticket_key(rig.central.event_key, credential_of(rig, shown))
    with rig.central.database.reading() as connection:
        row = connection.execute(ticket.select().where(ticket.c.key == key)).one()
    return Status(row.flags)


def test_every_signed_ticket_has_a_link_of_144_bits(rig: CentralRig, links: dict[str, str]) -> None:
    assert sorted(links) == ["A1", "A2", "A3", "G4", "S1", "U0", "X9"]
    assert {len(secret) for secret in links.values()} == {24}
    assert len({*links.values()}) == len(links)


@ON_SQLITE
def test_tickets_with_codes_and_cards_of_their_own_have_none(rig: CentralRig) -> None:
    rig.import_csv("id,code,card\nB1,HELLO WORLD 12345,\nB2,,04AABBCCDDEE80\nB3,,\n")
    assert links_of(rig, DOORS).keys() >= {"B3"}
    assert not links_of(rig, DOORS).keys() & {"B1", "B2"}


@ON_SQLITE
def test_a_link_made_again_is_the_same_link(rig: CentralRig, links: dict[str, str]) -> None:
    assert links_of(rig, DOORS) == links


@ON_SQLITE
def test_the_database_holds_no_link(rig: CentralRig, links: dict[str, str]) -> None:
    with rig.central.database.reading() as connection:
        kept = repr(connection.execute(wallet.select()).all())
    assert not any(secret in kept for secret in links.values())


@ON_SQLITE
@pytest.mark.parametrize(
    "url", ["http://tickets.example", "tickets.example", "https://", "https://a.example/?x=1", ""]
)
def test_an_address_at_which_no_browser_makes_keys_is_refused(rig: CentralRig, url: str) -> None:
    with pytest.raises(CentralFault):
        next(make_links(rig.central, url, Settings(DOORS, "")))


@ON_SQLITE
def test_an_event_without_a_wallet_key_says_how_to_get_one(rig: CentralRig) -> None:
    key_path(rig.keys, Role.WALLET).unlink()
    with pytest.raises(CentralFault) as caught:
        links_of(reopen(rig), DOORS)
    assert "admit keys wallet" in caught.value.remedy


@ON_SQLITE
def test_a_ticket_on_a_phone_is_bound_to_it_and_signed_by_the_wallet_key(
    rig: CentralRig, links: dict[str, str]
) -> None:
    phone = Phone("one")
    shown = move(rig, links["G4"], phone)
    found = credential_of(rig, shown)
    assert (found.holder_key, found.entries, found.product) == (phone.key, 4, 1)
    assert found.issuer == load_key(rig.keys, Role.WALLET).kid
    live = ad2.to_qr_text(ad2.sign(phone.seed, shown, 1_795_000_000)).encode()
    assert credential_of(rig, live).format is Format.AD2
    assert flags_of(rig, live) == Status.BOUND


def test_the_move_revokes_the_paper_and_a_later_one_the_phone_before(
    rig: CentralRig, links: dict[str, str]
) -> None:
    first = move(rig, links["A1"], Phone("one"))
    second = move(rig, links["A1"], Phone("two"))
    with rig.central.database.reading() as connection:
        rows = connection.execute(ticket.select().where(ticket.c.reference == "A1")).all()
    assert sorted(row.flags for row in rows) == [Status.REVOKED, Status.REVOKED, Status.BOUND]
    assert Status.REVOKED in flags_of(rig, first)
    assert flags_of(rig, second) == Status.BOUND


@ON_SQLITE
def test_gates_get_a_move_as_a_delta(rig: CentralRig, links: dict[str, str], north: Device) -> None:
    before = north.get("/v1/statements?after=0").json()["next"]
    move(rig, links["A1"], Phone("one"))
    assert refresh(rig.central) == "delta"
    told = north.get(f"/v1/statements?after={before}").json()["statements"]
    assert [row["type"] for row in told] == ["delta"]


@ON_SQLITE
def test_the_same_phone_gets_the_same_ticket_again(rig: CentralRig, links: dict[str, str]) -> None:
    """The answer may have been lost; also after the doors opened."""
    first = move(rig, links["A1"], Phone("one"))
    later = replace(rig.central, now=lambda: rig.central.now() + 2 * DOORS)
    assert binding.move(later, links["A1"], Phone("one").key, Phone("one").proof()) == first


@ON_SQLITE
def test_after_the_doors_no_ticket_moves(
    rig: CentralRig, links: dict[str, str], clock: FakeClock
) -> None:
    clock.advance(DOORS)
    assert refused(rig, links["A1"], Phone("one")) == "doors_open"


def test_after_an_entry_no_ticket_moves(
    rig: CentralRig, links: dict[str, str], north: Device
) -> None:
    """Or one guest would enter with the paper, the next with the phone. Who turned back may."""
    shown = os.urandom(16)
    north.upload(north.scan(shown, rig.key("A1")))
    assert refused(rig, links["A1"], Phone("one")) == "entered"
    assert binding.look(rig.central, links["A1"]).entered
    north.upload(north.outcome(shown, Kind.NO_PASSAGE))
    assert move(rig, links["A1"], Phone("one"))


@ON_SQLITE
def test_after_an_entry_with_the_phone_it_stays_there(
    rig: CentralRig, links: dict[str, str], north: Device
) -> None:
    moved = credential_of(rig, move(rig, links["A1"], Phone("one")))
    key = ticket_key(rig.central.event_key, moved)
    north.upload(north.scan(os.urandom(16), key, format="ad2", counter=1_795_000_000))
    assert refused(rig, links["A1"], Phone("two")) == "entered"


@ON_SQLITE
def test_while_somebody_is_at_the_gate_no_ticket_moves(
    rig: CentralRig, links: dict[str, str], north: Device
) -> None:
    assert north.claim(os.urandom(16), rig.key("A1"))["result"] == "granted"
    assert refused(rig, links["A1"], Phone("one")) == "entered"


@ON_SQLITE
def test_a_cancelled_ticket_does_not_move_and_a_moved_one_can_be_cancelled(
    rig: CentralRig, links: dict[str, str]
) -> None:
    assert refused(rig, links["X9"], Phone("one")) == "cancelled"
    shown = move(rig, links["A1"], Phone("one"))
    cancel(rig.central, "A1")
    assert flags_of(rig, shown) == Status.BOUND | Status.CANCELLED


@ON_SQLITE
def test_a_ticket_moves_at_most_twenty_times(rig: CentralRig, links: dict[str, str]) -> None:
    """Each move is a row for every gate: nobody fills their lists from a sofa."""
    for number in range(binding.MOST_MOVES):
        move(rig, links["A1"], Phone(str(number)))
    assert refused(rig, links["A1"], Phone("one more")) == "too_often"


@ON_SQLITE
@pytest.mark.parametrize("secret", ["", "x" * 24, "AAAAAAAAAAAAAAAAAAAAAAA=", "\ud7ff"])
def test_an_unknown_link_is_named(rig: CentralRig, links: dict[str, str], secret: str) -> None:
    assert refused(rig, secret, Phone("one")) == "no_such_link"


@ON_SQLITE
def test_a_flood_of_moves_without_a_link_takes_no_turn_from_the_gates(
    rig: CentralRig, links: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody can make a key and its proof."""
    monkeypatch.setattr("central.database.TURN_BUDGET", 0.01)
    with rig.central.database.writing():
        assert refused(rig, "A" * 24, Phone("one")) == "no_such_link"
        assert refused(rig, links["A1"], Phone("one")) == "busy"


@ON_SQLITE
@pytest.mark.parametrize(
    ("key", "proof"),
    [
        (Phone("one").key, Phone("two").proof()),
        (Phone("one").key, Phone("one").proof("OTHER")),
        (Phone("one").key, b""),
        (bytes(32), bytes(64)),
        (b"short", bytes(64)),
    ],
)
def test_a_key_that_the_phone_does_not_have_costs_nobody_their_ticket(
    rig: CentralRig, links: dict[str, str], key: bytes, proof: bytes
) -> None:
    with pytest.raises(ProtocolError) as caught:
        binding.move(rig.central, links["A1"], key, proof)
    assert caught.value.name == "proof_refused"
    assert binding.look(rig.central, links["A1"]).moves == 0


@ON_SQLITE
def test_a_browser_without_keys_gets_the_ticket_that_was_sent(
    rig: CentralRig, links: dict[str, str]
) -> None:
    """As often as it asks, and the paper stays good."""
    shown = binding.copyable(rig.central, links["A1"])
    assert shown == binding.copyable(rig.central, links["A1"])
    found = credential_of(rig, shown)
    assert found.holder_key == b""
    assert ticket_key(rig.central.event_key, found) == rig.key("A1")
    assert flags_of(rig, shown) == Status(0)


@ON_SQLITE
def test_a_browser_without_keys_takes_the_ticket_from_the_phone(
    rig: CentralRig, links: dict[str, str]
) -> None:
    on_phone = move(rig, links["A1"], Phone("one"))
    shown = binding.copyable(rig.central, links["A1"])
    assert Status.REVOKED in flags_of(rig, on_phone)
    assert flags_of(rig, shown) == Status(0)
    assert binding.copyable(rig.central, links["A1"]) == shown


def test_importing_again_leaves_the_ticket_on_its_phone(
    rig: CentralRig, links: dict[str, str]
) -> None:
    """The file knows nothing of phones: its row changes the ticket that is in force."""
    shown = move(rig, links["A1"], Phone("one"))
    rig.import_csv("id,entries,status\nA1,2,unpaid\n")
    assert flags_of(rig, shown) == Status.BOUND | Status.UNPAID
    with rig.central.database.reading() as connection:
        rows = connection.execute(ticket.select().where(ticket.c.reference == "A1")).all()
    assert sorted((row.flags & Status.REVOKED, row.entries) for row in rows) == [(0, 2), (16, 1)]


@ON_SQLITE
def test_a_ticket_that_became_a_code_is_on_no_phone_any_more(
    rig: CentralRig, links: dict[str, str]
) -> None:
    shown = move(rig, links["A1"], Phone("one"))
    rig.import_csv("id,code\nA1,ANOTHER CODE 123456\n")
    assert Status.REVOKED in flags_of(rig, shown)
    assert refused(rig, links["A1"], Phone("two")) == "not_signed"
    with pytest.raises(ProtocolError) as caught:  # or the page would draw a worthless code for ever
        binding.look(rig.central, links["A1"])
    assert caught.value.name == "not_signed"


def test_the_guest_s_name_goes_with_the_ticket(rig: CentralRig, clock: FakeClock) -> None:
    """Sealed under the new code, also when the file comes again."""
    csv = "id,name\nN1,Ada Lovelace\n"
    rig.import_csv(csv)
    shown = move(rig, links_of(rig, clock.at + DOORS)["N1"], Phone("one"))
    assert name_of(rig, shown) == "Ada Lovelace"
    rig.import_csv(csv.replace("Ada", "Countess"))
    assert name_of(rig, shown) == "Countess Lovelace"
    publish_names(rig.central)
    with rig.central.database.reading() as connection:
        assert len(connection.execute(guest.select()).all()) == 1  # none under the old code


def name_of(rig: CentralRig, shown: bytes) -> str | None:
    found = credential_of(rig, shown)
    key = ticket_key(rig.central.event_key, found)
    with rig.central.database.reading() as connection:
        sealed: Any = connection.execute(guest.select().where(guest.c.key == key)).one().sealed
    return open_name(rig.central.event_key, found, bytes(sealed))


def key_on(rig: CentralRig, shown: bytes) -> bytes:
    return ticket_key(rig.central.event_key, credential_of(rig, shown))


@pytest.mark.parametrize("paper_first", [True, False])
def test_entries_with_the_paper_and_with_the_phone_are_a_conflict(
    rig: CentralRig, links: dict[str, str], north: Device, south: Device, paper_first: bool
) -> None:
    """A gate that has not heard of a move lets the paper in: it has another name, one right."""
    phone, paper = key_on(rig, move(rig, links["A1"], Phone("one"))), rig.key("A1")
    first, then = os.urandom(16), os.urandom(16)
    north.upload(north.scan(first, paper if paper_first else phone))
    (answer,) = south.upload(south.scan(then, phone if paper_first else paper))
    assert answer["conflict"]["presentation"] == first.hex()
    told = north.get("/v1/conflicts?after=0").json()["conflicts"]
    assert [row["other"]["presentation"] for row in told] == [then.hex()]
    south.upload(south.outcome(then, Kind.NO_PASSAGE))
    told = north.get(f"/v1/conflicts?after={told[0]['cursor']}").json()["conflicts"]
    assert [row["stands"] for row in told] == [False]


def test_a_phone_is_granted_no_entry_that_the_paper_has_used(
    rig: CentralRig, links: dict[str, str], north: Device, south: Device
) -> None:
    phone = key_on(rig, move(rig, links["A1"], Phone("one")))
    north.upload(north.scan(os.urandom(16), rig.key("A1")))
    answer = south.claim(os.urandom(16), phone)
    assert (answer["result"], answer["gate"]) == ("taken", "north")


def test_a_card_in_the_place_of_a_phone_has_a_right_of_its_own(
    rig: CentralRig, links: dict[str, str], north: Device, south: Device
) -> None:
    """Whoever hands it out at the box office has looked; the phone's code is revoked."""
    phone = key_on(rig, move(rig, links["A1"], Phone("one")))
    north.upload(north.scan(os.urandom(16), phone))
    rig.import_csv("id,code\nA1,ANOTHER CODE 123456\n")
    code = Credential(Format.OPAQUE, b"ANOTHER CODE 123456")
    card = ticket_key(rig.central.event_key, code)
    assert south.claim(os.urandom(16), card)["result"] == "granted"


@ON_SQLITE
def test_nothing_moves_to_a_key_that_gates_do_not_believe(
    rig: CentralRig, links: dict[str, str]
) -> None:
    """Made new, or withdrawn, and not published: what it signs is `forged` at every gate."""
    key_path(rig.keys, Role.WALLET).unlink()
    save_key(new_key(Role.WALLET, EVENT), rig.keys)
    later = replace(rig, central=reopen(rig).central)
    with pytest.raises(CentralFault) as caught:
        links_of(later, DOORS)
    assert "admit central init" in caught.value.remedy
    assert refused(later, links["A1"], Phone("one")) == "not_ready"
    with pytest.raises(ProtocolError):
        binding.copyable(later.central, links["A1"])
    assert binding.look(later.central, links["A1"]).moves == 0

    initialise(later.db, later.keys, later.central.now)
    assert credential_of(later, move(later, links["A1"], Phone("one"))).holder_key


@ON_SQLITE
def test_a_phone_gets_its_ticket_signed_by_the_wallet_key_of_now(
    rig: CentralRig, links: dict[str, str]
) -> None:
    """Also after the doors, and after the key before was withdrawn: it is the same ticket."""
    before = credential_of(rig, move(rig, links["A1"], Phone("one")))
    key_path(rig.keys, Role.WALLET).unlink()
    save_key(new_key(Role.WALLET, EVENT), rig.keys)
    initialise(rig.db, rig.keys, rig.central.now)
    later = reopen(rig)
    later.central = replace(later.central, now=lambda: rig.central.now() + 2 * DOORS)
    after = credential_of(later, move(later, links["A1"], Phone("one")))
    assert after.ticket_id == before.ticket_id
    assert after.issuer == load_key(rig.keys, Role.WALLET).kid != before.issuer
