"""Rules of claims: one entry right, many gates."""

from concurrent.futures import ThreadPoolExecutor

from cli.conformance.event import CANCELLED, TestEvent, new
from cli.conformance.gate import Gate
from cli.conformance.rules import expect, rule
from cli.conformance.rules_door import refused
from cli.conformance.wire import Answer
from store.records import Kind

_GRANTED = {"result": "granted"}
_OVERTAKEN = {"result": "refused", "reason": "annulled"}


def says(answer: Answer, wanted: object) -> None:
    """Expect 200 and exactly this."""
    expect(answer.status == 200 and answer.json == wanted, answer)


def taken(answer: Answer, by: Gate, at: float) -> None:
    """Expect that another gate was first, and where and when."""
    says(answer, {"result": "taken", "gate": by.name, "at": at})


@rule(
    "claims.again",
    "A claim is idempotent: asked again it is granted again, and holds one entry",
    "Find the claim by its presentation before anything is judged",
)
def _(event: TestEvent) -> None:
    presentation, key = new(), event.single()
    for _ in range(3):
        says(event.north.claim(presentation, key), _GRANTED)
    expect(event.north.open_claims().count(presentation.hex()) == 1, "it is not open once")
    event.north.annul(presentation)


@rule(
    "claims.taken",
    "A ticket that is held is refused elsewhere as taken, with where and when",
    "Count held claims as entries; answer with gate and at of the one that stands",
)
def _(event: TestEvent) -> None:
    presentation, key = new(), event.single()
    says(event.north.claim(presentation, key, at=1234.5), _GRANTED)
    taken(event.south.claim(new(), key), event.north, 1234.5)
    event.north.annul(presentation)


@rule(
    "claims.one_of_many",
    "Asked for by many in one moment, a ticket is granted once",
    "Read, judge and write in one transaction that no other claim of this ticket enters",
)
def _(event: TestEvent) -> None:
    key, asked = event.single(), [new() for _ in range(12)]
    gates = [event.north, event.south] * 6
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(lambda gate, p: gate.claim(p, key).json, gates, asked))
    results = sorted(str(answer.get("result")) for answer in answers)
    expect(results == ["granted"] + ["taken"] * 11, results)
    for gate, presentation in zip(gates, asked, strict=True):
        gate.annul(presentation)


@rule(
    "claims.entries",
    "A ticket for four enters four times",
    "Count entries and held claims against what the ticket allows on the list",
)
def _(event: TestEvent) -> None:
    key, asked = event.group(), [new() for _ in range(5)]
    results = [event.north.claim(presentation, key).json.get("result") for presentation in asked]
    expect(results == ["granted"] * 4 + ["taken"], results)
    for presentation in asked:
        event.north.annul(presentation)


@rule(
    "claims.annulled",
    "An annulled claim frees the ticket",
    "Do not count annulled claims; answer annulled, also the second time",
)
def _(event: TestEvent) -> None:
    presentation, other, key = new(), new(), event.single()
    says(event.north.claim(presentation, key), _GRANTED)
    for _ in range(2):
        says(event.north.annul(presentation), {"result": "annulled"})
    says(event.south.claim(other, key), _GRANTED)
    event.south.annul(other)


@rule(
    "claims.tombstone",
    "A claim that arrives after its annulment is refused, and holds nothing",
    "Keep a row for every annulled presentation, also where no claim had come",
)
def _(event: TestEvent) -> None:
    presentation, other, key = new(), new(), event.single()
    says(event.north.annul(presentation), {"result": "annulled"})
    says(event.north.claim(presentation, key), _OVERTAKEN)
    says(event.south.claim(other, key), _GRANTED)
    event.south.annul(other)


@rule(
    "claims.instead_of",
    "A claim gives back the gate's own earlier one that it is instead of, and no other gate's",
    "Annul the presentation in instead_of, as DELETE does, before the entry is judged",
)
def _(event: TestEvent) -> None:
    first, second, key = new(), new(), event.single()
    says(event.north.claim(first, key), _GRANTED)
    theirs = event.south.claim(new(), key, instead_of=first.hex())
    refused(theirs, 403, "claim_of_another_device")
    says(event.north.claim(second, key, instead_of=first.hex()), _GRANTED)
    says(event.north.claim(first, key), _OVERTAKEN)
    event.north.annul(second)


@rule(
    "claims.reused",
    "A presentation holds a claim for one ticket",
    "Answer 409 presentation_reused when it comes with another ticket, list or direction",
)
def _(event: TestEvent) -> None:
    presentation = new()
    event.north.claim(presentation, event.single())
    refused(event.north.claim(presentation, event.single()), 409, "presentation_reused")
    event.north.annul(presentation)


@rule(
    "claims.owner",
    "Only its own gate touches a claim",
    "Keep the device with the claim; answer 403 claim_of_another_device",
)
def _(event: TestEvent) -> None:
    presentation, key = new(), event.single()
    event.north.claim(presentation, key)
    refused(event.south.annul(presentation), 403, "claim_of_another_device")
    refused(event.south.claim(presentation, key), 403, "claim_of_another_device")
    expect(presentation.hex() in event.north.open_claims(), "the claim is gone")
    event.north.annul(presentation)


@rule(
    "claims.refused",
    "Cancelled and unknown tickets are refused by reason, and a list that is not in the policy",
    "Judge by the ticket's row and the policy in force",
)
def _(event: TestEvent) -> None:
    cases = {
        "cancelled": event.north.claim(new(), event.key(CANCELLED)),
        "unknown": event.north.claim(new(), new()),
        "wrong_list": event.north.claim(new(), event.single(), list="no such list"),
    }
    for reason, answer in cases.items():
        says(answer, {"result": "refused", "reason": reason})


@rule(
    "claims.unlisted",
    "A signed ticket on no list stands for one entry where its gate admits such",
    "With unlisted true, grant an unknown ticket key once; judge a known one by its row",
)
def _(event: TestEvent) -> None:
    presentation, key = new(), new()
    says(event.north.claim(presentation, key, unlisted=True), _GRANTED)
    taken(event.south.claim(new(), key, unlisted=True), event.north, 1000.5)
    event.north.annul(presentation)
    known = event.north.claim(new(), event.key(CANCELLED), unlisted=True)
    says(known, {"result": "refused", "reason": "cancelled"})


@rule(
    "claims.exit",
    "An exit is never refused",
    "Grant every claim with direction exit, whatever is known of its ticket",
)
def _(event: TestEvent) -> None:
    for key in (event.single(), event.key(CANCELLED), new()):
        presentation = new()
        says(event.north.claim(presentation, key, direction="exit"), _GRANTED)
        event.north.annul(presentation)


@rule(
    "claims.settled",
    "The record of an entry settles its claim: it is open no more and counts once",
    "Close the claim in the transaction that stores the record with its outcome",
)
def _(event: TestEvent) -> None:
    presentation, key = new(), event.group()
    event.north.claim(presentation, key)
    scan = event.north.scan(presentation, key)
    event.north.results(scan, event.north.record(Kind.PASSAGE, presentation))
    expect(presentation.hex() not in event.north.open_claims(), "it is still open")
    others = [new() for _ in range(4)]
    results = [event.south.claim(other, key).json.get("result") for other in others]
    expect(results == ["granted"] * 3 + ["taken"], results)
    for other in others:
        event.south.annul(other)


@rule(
    "claims.turned_back",
    "A record that nobody went through frees the ticket",
    "Annul the claim when its presentation's outcome is no_passage or aborted",
)
def _(event: TestEvent) -> None:
    presentation, other, key = new(), new(), event.single()
    event.north.claim(presentation, key)
    scan = event.north.scan(presentation, key)
    event.north.results(scan, event.north.record(Kind.NO_PASSAGE, presentation))
    says(event.south.claim(other, key), _GRANTED)
    event.south.annul(other)


@rule(
    "claims.overtaken",
    "A claim that its own record overtook is granted, and one of another gate is taken",
    "Look for the presentation among the records before the entry is judged",
)
def _(event: TestEvent) -> None:
    key = event.single()
    presentation = event.north.enter(key)
    # The other gate first: once north's claim is there, it alone would be in the way.
    answer = event.south.claim(new(), key).json
    told = (answer.get("result"), answer.get("gate"))
    expect(told == ("taken", event.north.name), answer)
    says(event.north.claim(presentation, key), _GRANTED)
