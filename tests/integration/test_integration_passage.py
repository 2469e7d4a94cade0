"""I3: an entry counts on passage; what the gate and central say of it agrees afterwards."""

import pytest
from sqlalchemy import func, select

from central.organiser.overview import entries
from central.schema import device, record
from store.records import Kind
from tests.integration.conftest import Venue
from tests.rigs.real_gate import WALKS, RealGate, until


def stands_at_central(venue: Venue, presentation: str) -> bool:
    """Whether central counts the entry of a presentation."""
    return presentation in {row["presentation"] for row in entries(venue.central.central)}


def all_sent(venue: Venue, gate: RealGate) -> None:
    """Wait until central has every record of a gate."""

    def sent() -> bool:
        with venue.central.central.database.reading() as connection:
            newest = func.max(record.c.seq)
            of_gate = record.c.device == device.c.device, device.c.gate == gate.name
            at_central = connection.scalar(select(newest).where(*of_gate))
        return bool(at_central == gate.journal()[-1].seq)

    until(sent, f"all records of {gate.name} at central")


def outcome_of(venue: Venue, habit: str, code: str) -> tuple[str, list[Kind]]:
    """A person with a habit at the south gate: their presentation, and its records."""
    venue.south.order(op="person", lane="entry", person=habit)
    presentation = venue.south.enter(code)["presentation"]
    all_sent(venue, venue.south)
    records = venue.south.records(presentation=presentation)
    return presentation, [entry.record.kind for entry in records]


def test_a_person_who_goes_through_has_entered_here_and_at_central(venue: Venue) -> None:
    presentation, kinds = outcome_of(venue, WALKS, venue.code())
    assert kinds == [Kind.SCAN, Kind.PASSAGE]
    until(lambda: stands_at_central(venue, presentation), "the entry at central")


def test_a_person_who_turns_back_keeps_the_ticket_and_enters_at_another_gate(
    venue: Venue,
) -> None:
    """Annulled here and at central: the other gate's claim is granted at once."""
    code = venue.code()
    presentation, kinds = outcome_of(venue, "never", code)
    assert kinds == [Kind.SCAN, Kind.NO_PASSAGE]
    assert not stands_at_central(venue, presentation)
    elsewhere = venue.north.present(code, "left")
    assert (elsewhere["verdict"], elsewhere["claim"]) == ("admitted", "granted")
    until(lambda: stands_at_central(venue, elsewhere["presentation"]), "the entry at central")


def test_a_person_already_in_the_arm_when_it_locks_has_entered(venue: Venue) -> None:
    """A passage in the settling time counts, here and at central."""
    presentation, kinds = outcome_of(venue, "late", venue.code())
    assert kinds == [Kind.SCAN, Kind.PASSAGE]
    until(lambda: stands_at_central(venue, presentation), "the entry at central")


def test_who_turns_back_twice_is_asked_about_and_the_stewards_word_counts(venue: Venue) -> None:
    """The second time the entry stands until the steward says that nobody went through."""
    code = venue.code()
    outcome_of(venue, "never", code)
    venue.south.order(op="clear_sensor", lane="entry")
    presentation, kinds = outcome_of(venue, "never", code)
    assert kinds == [Kind.SCAN, Kind.NO_PASSAGE]
    until(lambda: stands_at_central(venue, presentation), "the entry stands in doubt")
    question = venue.south.status()["lanes"][0]["question"]
    assert question["presentation"] == presentation
    venue.south.order(op="annul", lane="entry", presentation=presentation)
    until(lambda: not stands_at_central(venue, presentation), "annulled at central")
    assert venue.north.present(code, "left")["claim"] == "granted"


@pytest.mark.heavy
def test_a_sensor_that_misses_three_people_is_suspect_and_burns_no_ticket(venue: Venue) -> None:
    """From then on entries count on release; a passage that is seen restores trust."""
    gate = venue.south
    gate.order(op="person", lane="entry", person="never")
    outcomes = [gate.enter(venue.code())["outcome"] for _ in range(4)]
    assert outcomes == ["no_passage", "no_passage", "passage", "passage"]
    assert "sensor entry" in gate.faults()
    gate.order(op="person", lane="entry", person=WALKS)
    since = gate.mark()
    gate.enter(venue.code())
    gate.wait(since, kind="recovered", name="sensor entry")
    gate.order(op="person", lane="entry", person="never")
    assert gate.enter(venue.code())["outcome"] == "no_passage"


@pytest.mark.heavy
def test_a_stuck_sensor_is_suspect_and_entries_count_on_release(venue: Venue) -> None:
    """Somebody leans on the sensor for more than ten seconds."""
    gate = venue.south
    gate.order(op="person", lane="entry", person="stuck")
    assert gate.enter(venue.code())["outcome"] == "passage"
    until(lambda: "sensor entry" in gate.faults(), "the sensor is suspect")
    presentation, kinds = outcome_of(venue, "never", venue.code())
    assert kinds == [Kind.SCAN, Kind.PASSAGE]
    until(lambda: stands_at_central(venue, presentation), "the entry at central")
