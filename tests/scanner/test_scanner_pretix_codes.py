"""A signed code of pretix at the gate: with a row, without one, revoked and blocked."""

from dataclasses import replace

import pytest

from admission.decide import decide
from admission.rules import EventPolicy, GatePolicy
from admission.verdict import Reason
from scanner.books import Books
from store.records import Kind
from tests.admission.admission_cases import DAY, DOORS, HOUR, facts, use
from tests.rigs.gate_rig import EVENT, GateRig
from tests.rigs.gate_rig import EVENT_KEY as RIG_KEY
from tests.rigs.pretix_codes import KEY, code, payload
from tickets.credential import Credential, Format
from tickets.keys import ticket_key
from tickets.names import open_name, seal_name
from tickets.rows import Status, Ticket
from tickets.trust import trust_of

EVENT_KEY = bytes(32)
CODE = code()
NAME = ticket_key(EVENT_KEY, Credential(Format.OPAQUE, CODE))
"""As an import names it, which knows nothing of signatures."""
OPEN = GatePolicy("north", list_required=False)


def books(*rows: Ticket, keys: tuple[bytes, ...] = (KEY,)) -> Books:
    listed = {row.key: row for row in rows}
    trust = trust_of("FEST26", {}, pretix_keys=keys)
    return Books(EVENT_KEY, trust, EventPolicy({}, {}), 1, listed.get)


def verdict_of(shown: bytes, books: Books, policy: GatePolicy = OPEN, **changes):
    credential, key = books.read(shown)
    assert key is not None
    ticket = books.ticket(key)
    product = books.product(credential, ticket)
    known = facts(credential=credential, ticket=ticket, product=product, policy=policy)
    return decide(replace(known, **changes)).verdict


def test_a_signed_code_needs_no_list_where_the_organiser_says_so():
    assert verdict_of(CODE, books()).admitted
    assert verdict_of(CODE, books(), GatePolicy("north")).reason is Reason.UNKNOWN


@pytest.mark.parametrize(
    ("flag", "reason"),
    [
        (Status.REVOKED, Reason.REVOKED),
        (Status.BLOCKED, Reason.BLOCKED),
        (Status.CANCELLED, Reason.CANCELLED),
    ],
)
def test_a_row_of_nothing_but_a_flag_refuses_it_all_the_same(flag, reason):
    """pretix' lists of revoked and blocked secrets become such rows, under the code's name."""
    assert verdict_of(CODE, books(Ticket(NAME, flags=flag))).reason is reason


def test_its_row_counts_too():
    """Two entries by the row; without a row, one by the signature; both are one ticket."""
    listed = books(Ticket(NAME, product=3, entries=2))
    assert verdict_of(CODE, listed, uses=(use(),)).admitted
    assert verdict_of(CODE, books(), uses=(use(),)).reason is Reason.ALREADY_REDEEMED
    assert books().read(CODE)[1] == listed.read(CODE)[1] == NAME


def test_without_the_key_the_same_code_is_on_the_list_by_the_same_name():
    keyless = books(Ticket(NAME), keys=())
    credential, key = keyless.read(CODE)
    assert isinstance(credential, Credential)
    assert (credential.format, key) == (Format.OPAQUE, NAME)
    assert verdict_of(CODE, keyless, GatePolicy("north")).admitted


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        ({"valid_from": DOORS + HOUR}, Reason.TOO_EARLY),
        ({"valid_until": DOORS - HOUR}, Reason.TOO_LATE),
        ({"valid_from": DOORS - DAY, "valid_until": DOORS + DAY}, None),
        ({"valid_until": 2**63 - 1}, None),
        ({"valid_from": 2**63 - 1}, Reason.TOO_EARLY),
    ],
)
def test_the_times_within_the_code_are_judged(times, reason):
    signed = code(payload(**{name: int(at) for name, at in times.items()}))
    assert verdict_of(signed, books()).reason is reason


def test_a_name_sealed_by_an_import_opens_when_the_signed_code_is_shown():
    """The import knows the code alone, the gate its signature too: one ticket, one name."""
    sealed = seal_name(EVENT_KEY, Credential(Format.OPAQUE, CODE), "Ada Lovelace")
    credential, _ = books().read(CODE)
    assert isinstance(credential, Credential)
    assert credential.format is Format.PRETIX_SIG1
    assert open_name(EVENT_KEY, credential, sealed) == "Ada Lovelace"


def test_its_item_is_the_product():
    credential, _ = books().read(code(payload(4711)))
    assert books().product(credential, None).number == 4711


def test_it_counts_in_view_and_a_code_that_no_key_signed_does_not():
    gate = books()
    assert gate.counts(*gate.read(CODE))
    assert not gate.counts(*gate.read(code(seed=b"\x66" * 32)))


def test_a_forger_is_as_unknown_as_any_stranger():
    """No word of a signature: a plain pretix code looks much the same, and has none."""
    assert verdict_of(code(seed=b"\x66" * 32), books()).reason is Reason.UNKNOWN


def test_one_entry_is_one_entry_however_the_gate_came_to_know_the_ticket(tmp_path):
    """By its signature today, by its row tomorrow, the key withdrawn: used is used."""
    gate = GateRig(tmp_path, policy=OPEN)
    signed = trust_of(EVENT, {}, pretix_keys=[KEY])
    gate.current_books = replace(gate.current_books, trust=signed)
    gate.show(CODE)
    assert gate.scans() == [("admitted", None)]
    row = Ticket(ticket_key(RIG_KEY, Credential(Format.OPAQUE, CODE)))
    gate.rows[row.key] = row
    gate.current_books = replace(gate.current_books, trust=trust_of(EVENT, {}))
    gate.advance(5)
    gate.show(CODE)
    assert gate.scans()[1:] == [("refused", "already_redeemed")]
    scans = gate.records(Kind.SCAN)
    assert [record.format for record in scans] == ["pretix_sig1", "opaque"]
    assert len({record.ticket_key for record in scans}) == 1
