"""I4: whatever central does, a guest waits for it once at most, and claims are settled later."""

import signal
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from central.organiser.overview import entries
from central.schema import claim
from store.records import Kind
from tests.integration.conftest import Venue
from tests.rigs.real_gate import WALKS, RealGate, until
from tests.rigs.server import Mode, Server

GENEROUS = 2.0
"""Seconds that one admission may take on a busy machine; the claim's budget is 0.4."""


def claims(venue: Venue, *states: str) -> set[str]:
    """Presentations of the venue's claims at central in some states."""
    query = select(claim.c.presentation).where(
        claim.c.state.in_(states), claim.c.gate.in_(["north", "south"])
    )
    with venue.central.central.database.reading() as connection:
        return {bytes(row).hex() for row in connection.execute(query).scalars()}


def standing(venue: Venue) -> set[str]:
    """Presentations of the entries that stand at central."""
    return {row["presentation"] for row in entries(venue.central.central)}


def all_settled(venue: Venue) -> None:
    """Wait until central holds no claim whose outcome it does not know."""
    until(lambda: not claims(venue, "held"), "no claim is left open", 40)


def admitted_without_central(gate: RealGate, *codes: str) -> list[dict[str, object]]:
    """Each code is admitted within the budget, and none of them by a claim."""
    verdicts = []
    for code in codes:
        since = gate.mark()
        verdict = gate.present(code)
        outcome = gate.wait(since, kind="outcome", presentation=verdict["presentation"])
        assert outcome["outcome"] == "passage"
        verdicts.append(verdict)
    assert {v["verdict"] for v in verdicts} == {"admitted"}
    assert {v["claim"] for v in verdicts} == {"unclaimed"}
    return verdicts


def guests_who_waited(gate: RealGate, since: int) -> int:
    """How often a lane waited for a claim since a mark."""
    states = [e for e in gate.events[since:] if e["kind"] == "state"]
    return sum(event["state"] == "checking" for event in states)


def recorded_claims(gate: RealGate, verdicts: list[dict[str, object]]) -> list[str | None]:
    """What the journal says of the claim of each verdict."""
    ids = [str(v["presentation"]) for v in verdicts]
    return [gate.records(Kind.SCAN, presentation=p)[0].record.claim for p in ids]


def test_central_hung_costs_one_guest_the_budget_and_the_next_nothing(venue: Venue) -> None:
    """Stopped in the middle of its work: in the record it says `unclaimed`."""
    gate, process = venue.north, venue.central.process
    assert process is not None
    since = gate.mark()
    process.send_signal(signal.SIGSTOP)
    try:
        verdicts = admitted_without_central(gate, venue.code(), venue.code(), venue.code())
    finally:
        process.send_signal(signal.SIGCONT)
    asked = gate.wait(since, kind="state", lane="left", state="checking")
    assert float(str(verdicts[0]["at"])) - asked["at"] < GENEROUS
    assert guests_who_waited(gate, since) == 1
    assert recorded_claims(gate, verdicts) == ["unclaimed"] * 3
    gate.ready(authority="in")
    wanted = {str(v["presentation"]) for v in verdicts}
    until(lambda: wanted <= standing(venue), "all entries at central")
    all_settled(venue)


@pytest.mark.heavy
def test_central_down_costs_nobody_more_than_the_first_and_all_is_told_later(
    venue: Venue,
) -> None:
    """Killed, and started again at another address behind the same wire."""
    gate = venue.north
    since = gate.mark()
    venue.central.kill()
    verdicts = admitted_without_central(gate, venue.code(), venue.code(), venue.code())
    assert guests_who_waited(gate, since) <= 1
    assert gate.status()["authority"]["state"] == "out"
    venue.mend()
    wanted = {str(v["presentation"]) for v in verdicts}
    until(lambda: wanted <= standing(venue), "all entries at central", 40)
    all_settled(venue)


@pytest.mark.heavy
def test_a_slow_central_is_left_out_and_its_late_grants_are_settled(venue: Venue) -> None:
    """Every answer takes a second: claims are granted there after the gate has decided."""
    gate = venue.north
    since = gate.mark()
    venue.wires["north"].delay = 1.0
    gate.order(op="person", lane="left", person="never")
    turned_back = gate.enter(venue.code())
    assert turned_back["outcome"] == "no_passage"
    gate.order(op="person", lane="left", person=WALKS)
    verdicts = admitted_without_central(gate, venue.code(), venue.code())
    assert guests_who_waited(gate, since) == 1
    assert gate.status()["authority"]["state"] == "out"
    venue.mend()
    wanted = {str(v["presentation"]) for v in verdicts}
    until(lambda: wanted <= standing(venue), "all entries at central", 40)
    all_settled(venue)
    assert turned_back["presentation"] not in standing(venue) | claims(venue, "held", "settled")


@pytest.fixture
def liar(venue: Venue) -> Iterator[Server]:
    """Another server at the end of the north gate's wire."""
    server = Server()
    venue.wires["north"].plug(server.port)
    yield server
    server.go_offline()


LIES = [Mode.HTML, Mode.FAIL, Mode.HALF, Mode.ENDLESS, Mode.SCHEMA, Mode.NOISE, Mode.ZIPPED]
LIES += [Mode.HANG, Mode.DRIP, Mode.DRIP_BODY, Mode.REDIRECT, Mode.REFUSE_BEARER]


@pytest.mark.heavy
@pytest.mark.parametrize("mode", LIES, ids=lambda mode: mode.name.lower())
def test_whatever_the_server_answers_guests_get_in_and_nothing_is_lost(
    venue: Venue, liar: Server, mode: Mode
) -> None:
    """The gate takes the server out, decides by itself, and tells the true central later."""
    gate = venue.north
    since = gate.mark()
    liar.mode = mode
    verdicts = admitted_without_central(gate, venue.code(), venue.code())
    assert guests_who_waited(gate, since) <= 1
    assert gate.status()["authority"]["state"] == "out"
    venue.mend()
    wanted = {str(v["presentation"]) for v in verdicts}
    until(lambda: wanted <= standing(venue), "all entries at central", 40)
    all_settled(venue)


@pytest.mark.heavy
@pytest.mark.timeout(120)
def test_a_server_that_stays_silent_is_shown_as_offline(venue: Venue, liar: Server) -> None:
    """The steward sees it, and that records wait; both are over when central is back."""
    gate = venue.north
    liar.mode = Mode.FAIL
    admitted_without_central(gate, venue.code())
    until(lambda: not gate.status()["server"]["online"], "shown as offline", 60)
    assert gate.status()["server"]["waiting"] > 0
    venue.mend()
    until(lambda: gate.status()["server"]["online"], "shown as online", 60)
    until(lambda: gate.status()["server"]["waiting"] == 0, "nothing waits", 60)


@pytest.mark.heavy
def test_a_server_that_speaks_of_another_presentation_grants_nothing(
    venue: Venue, liar: Server
) -> None:
    """An answer is tied to its own claim; the liar's bearer and claims change no verdict."""
    gate = venue.north
    liar.mode, liar.only = Mode.LIES, "/v1/claims"
    verdict = gate.present(venue.code())
    assert verdict["verdict"] == "admitted"
    assert verdict["claim"] in ("granted", "unclaimed")
    venue.mend()
    until(lambda: verdict["presentation"] in standing(venue), "the entry at central", 40)
    all_settled(venue)


def test_a_claim_overtaken_by_its_annulment_is_refused(venue: Venue) -> None:
    """The gate gives up, the guest turns back, and the claim reaches central last of all."""
    gate, code = venue.south, venue.code()
    process = venue.central.process
    assert process is not None
    gate.order(op="person", lane="entry", person="never")
    process.send_signal(signal.SIGSTOP)
    try:
        outcome = gate.enter(code)
    finally:
        process.send_signal(signal.SIGCONT)
    assert outcome["outcome"] == "no_passage"
    gate.ready(authority="in")
    all_settled(venue)
    assert outcome["presentation"] not in claims(venue, "held", "settled")
    assert outcome["presentation"] not in standing(venue)
    assert venue.north.present(code, "left")["claim"] == "granted"
