"""Rules of records: each answered for itself, each counted once, none lost."""

from typing import Any

from cli.conformance.event import TestEvent, new
from cli.conformance.gate import Gate
from cli.conformance.rules import expect, rule
from store.records import Kind
from tickets.credential import Format


def row_of(event: TestEvent, gate: Gate, presentation: bytes) -> dict[str, Any] | None:
    """The last row that ``gate`` reads of a presentation."""
    rows = event.pages("redemptions", gate)
    mine = [row for row in rows if row["presentation"] == presentation.hex()]
    return mine[-1] if mine else None


@rule(
    "records.stored",
    "Each record is answered for by its number, in the order of the batch",
    "Answer one object per record: seq and result",
)
def _(event: TestEvent) -> None:
    gate = event.north
    records = [gate.record(Kind.MODE, new()) for _ in range(3)]
    answers = gate.upload(*reversed(records))
    told = [(answer.get("seq"), answer.get("result")) for answer in answers]
    expect(told == [(record["seq"], "stored") for record in reversed(records)], told)


@rule(
    "records.head",
    "An upload whose head the device key did not sign is refused, and nothing of it is taken",
    "Verify head.signature by the key that was enrolled, before anything else; 403 head_refused",
)
def _(event: TestEvent) -> None:
    gate = event.north
    record = gate.record(Kind.MODE, new())
    answer = gate.send(record, at=5)
    named = answer.status == 403 and answer.json.get("error") == "head_refused"
    expect(named, f"a changed head: {answer}")
    expect(gate.results(record) == ["stored"], "it was taken with a head that does not hold")


@rule(
    "records.known",
    "The farthest head of a journal is told with uploads and heartbeats, as it was signed",
    "Keep it by device and epoch; a card that was put back learns from it how far it had been",
)
def _(event: TestEvent) -> None:
    gate = event.north
    records = [gate.record(Kind.MODE, new()) for _ in range(2)]
    told = gate.send(*records).json.get("known")
    expect(told == gate.signed_head(), f"after the upload known is {told}")
    journal = {"epoch": gate.epoch.hex(), "seq": 0}
    body = {"nonce": new().hex(), "health": {"journal": journal}}
    told = gate.call("POST", "/v1/heartbeat", body).json.get("known")
    expect(told == gate.signed_head(), f"with a heartbeat known is {told}")


@rule(
    "records.again",
    "A record sent again is a duplicate and counts once",
    "Key records by device, epoch and seq; the same hash is the same record",
)
def _(event: TestEvent) -> None:
    presentation, key = new(), event.group()
    records = event.north.scan(presentation, key), event.north.record(Kind.PASSAGE, presentation)
    expect(event.north.results(*records) == ["stored"] * 2, "not stored")
    expect(event.north.results(*records, *records) == ["duplicate"] * 4, "not a duplicate")
    others = [new() for _ in range(4)]
    results = [event.south.claim(other, key).json.get("result") for other in others]
    expect(results == ["granted"] * 3 + ["taken"], f"then claims are {results}")
    for other in others:
        event.south.annul(other)


@rule(
    "records.fork",
    "Another record under a number that is taken is a fork: nothing is replaced",
    "Compare hashes; answer fork, raise an alarm, keep what came aside",
)
def _(event: TestEvent) -> None:
    gate = event.north
    first = gate.record(Kind.MODE, new())
    gate.results(first)
    twin = Gate.record(_at(gate, int(first["seq"]), first["prev"]), Kind.MODE, new())
    expect(gate.results(twin) == ["fork"], "it was not called a fork")
    expect(gate.results(first) == ["duplicate"], "the first record was replaced")


def _at(gate: Gate, seq: int, prev: str) -> Gate:
    """A copy of the gate whose journal goes on from an earlier record, as from a cloned card."""
    twin = Gate.__new__(Gate)
    twin.__dict__ |= gate.__dict__ | {"head": bytes.fromhex(prev), "_seqs": iter([seq])}
    return twin


@rule(
    "records.hash",
    "A record that is not what its hash says is parked with a reason, and counts for nothing",
    "Compute the chain hash anew; keep the record aside, answer parked and why",
)
def _(event: TestEvent) -> None:
    presentation, key = new(), event.single()
    changed = event.north.scan(presentation, key) | {"lane": "2"}
    (answer,) = event.north.upload(changed)
    expect(answer.get("result") == "parked" and bool(answer.get("reason")), answer)
    expect(row_of(event, event.south, presentation) is None, "it was counted")


@rule(
    "records.mixed",
    "A bad record does not hold up the good ones around it",
    "Park what cannot be read, record by record; answer 200",
)
def _(event: TestEvent) -> None:
    good = [event.north.record(Kind.MODE, new()) for _ in range(2)]
    results = event.north.results(good[0], {"seq": "no"}, None, good[1])
    expect(results == ["stored", "parked", "parked", "stored"], results)


@rule(
    "records.owner",
    "No gate speaks for another's presentation, nor for another event",
    "Park records whose presentation another device has, or whose event is not this one",
)
def _(event: TestEvent) -> None:
    presentation = event.north.enter(event.single())
    results = event.south.results(event.south.record(Kind.NO_PASSAGE, presentation))
    results += event.south.results(event.south.record(Kind.MODE, new(), event="ANOTHER"))
    expect(results == ["parked"] * 2, results)
    found = row_of(event, event.south, presentation)
    expect(found is not None and found["stands"] is True, f"then the entry is {found}")


@rule(
    "records.redeem",
    "An entry reaches the other gates with all they need to refuse its ticket",
    "Write a row of the feed in the transaction that stores the scan",
)
def _(event: TestEvent) -> None:
    key = event.single()
    presentation, gate = event.north.enter(key), event.north
    found = row_of(event, event.south, presentation) or {}
    wanted = {"ticket_key": key.hex(), "list": gate.list, "direction": "entry", "stands": True}
    wanted |= {"gate": gate.name, "device": gate.device, "epoch": gate.epoch.hex()}
    told = {name: found.get(name) for name in wanted}
    expect(told == wanted and isinstance(found.get("at"), int | float), found)


@rule(
    "records.counter",
    "The counter of a card's message reaches the other gates with its entry",
    "Keep the counter of a scan whose format is NTAG424, and put it into its row of the feed",
)
def _(event: TestEvent) -> None:
    presentation = new()
    scan = event.north.scan(presentation, event.single(), format=Format.NTAG424, counter=7)
    event.north.results(scan, event.north.record(Kind.PASSAGE, presentation))
    told = (row_of(event, event.south, presentation) or {}).get("counter")
    expect(told == 7, f"the counter 7 is told as {told!r}")


@rule(
    "records.annulled",
    "An outcome that comes later annuls the entry, in a new row of the feed",
    "Give the row a new cursor and stands false when its outcome is no_passage or aborted",
)
def _(event: TestEvent) -> None:
    presentation, key = new(), event.single()
    event.north.results(event.north.scan(presentation, key))
    before = row_of(event, event.south, presentation) or {}
    expect(before.get("stands") is True, f"without an outcome it is {before}")
    event.north.results(event.north.record(Kind.NO_PASSAGE, presentation))
    after = event.pages("redemptions", event.south, int(before["cursor"]))
    told = [row["stands"] for row in after if row["presentation"] == presentation.hex()]
    expect(told == [False], f"after it the feed says {told}")


@rule(
    "records.counts",
    "Of the outcomes those count that docs/protocol.md says: interrupted and `counts` stand",
    "See: What counts as an entry at central",
)
def _(event: TestEvent) -> None:
    cases = [
        (Kind.INTERRUPTED, "", True),
        (Kind.ABORTED, "", False),
        (Kind.NO_PASSAGE, "counts: asked", True),
        (Kind.OPERATOR, "annul: asked", False),
    ]
    for kind, detail, stands in cases:
        presentation = new()
        scan = event.north.scan(presentation, event.single())
        event.north.results(scan, event.north.record(kind, presentation, detail=detail))
        found = row_of(event, event.south, presentation) or {}
        expect(found.get("stands") is stands, f"{kind} {detail!r}: stands {found.get('stands')}")


@rule(
    "records.resumed",
    "A guest let in once more after a crash counts once",
    "Let resumed end the presentation it names; the new scan stands",
)
def _(event: TestEvent) -> None:
    gate, key = event.north, event.single()
    first, again = gate.enter(key, Kind.INTERRUPTED), new()
    resumed = gate.record(Kind.RESUMED, first, detail=f"by {again.hex()}")
    answers = gate.upload(gate.scan(again, key), resumed, gate.record(Kind.PASSAGE, again))
    expect(not any("conflict" in answer for answer in answers), answers)
    told = [(row_of(event, gate, one) or {}).get("stands") for one in (first, again)]
    expect(told == [False, True], f"the two stand {told}")


@rule(
    "records.refused",
    "A scan that admitted nobody redeems nothing and gives its claim back",
    "Only verdict admitted with ticket key, list and direction redeems",
)
def _(event: TestEvent) -> None:
    key = event.single()
    for verdict in ("refused", "checked"):
        presentation = new()
        event.north.claim(presentation, key)
        event.north.results(event.north.scan(presentation, key, verdict=verdict))
        expect(row_of(event, event.south, presentation) is None, f"{verdict} was counted")
        expect(presentation.hex() not in event.north.open_claims(), f"{verdict}: claim open")


@rule(
    "feed.cursor",
    "The feed goes on from a cursor: nothing twice, nothing left out, next where it ends",
    "Number rows in the order of commits; at most 1000 a page",
)
def _(event: TestEvent) -> None:
    presentations = [event.north.enter(event.single()) for _ in range(2)]
    rows = event.pages("redemptions", event.south)
    cursors = [row["cursor"] for row in rows]
    expect(cursors == sorted(set(cursors)), "cursors do not rise")
    found = [row["presentation"] for row in rows]
    expect(all(found.count(p.hex()) == 1 for p in presentations), "not each once")
    end = event.south.call("GET", f"/v1/redemptions?after={cursors[-1]}").json
    expect(end == {"redemptions": [], "next": cursors[-1]}, end)


@rule(
    "conflicts.told",
    "A ticket that entered too often is told to both gates, and in the later answer",
    "Compare standing entries with what the ticket allows when records are stored",
)
def _(event: TestEvent) -> None:
    key = event.single()
    first, second = event.north.enter(key), new()
    late = event.south.scan(second, key, at=9e9)
    (answer,) = event.south.upload(late)
    told = answer.get("conflict") or {}
    expect((told.get("presentation"), told.get("gate")) == (first.hex(), event.north.name), answer)
    for gate, mine, other in ((event.north, first, second), (event.south, second, first)):
        found = _conflict(event, gate, mine)
        expect(found.get("stands") is True, f"{gate.name} hears {found}")
        expect(found["other"].get("presentation") == other.hex(), found)


@rule(
    "conflicts.cleared",
    "A conflict ends when one of its entries is annulled, and both gates hear of it",
    "Judge again with every outcome; send the conflict anew with stands false",
)
def _(event: TestEvent) -> None:
    key = event.single()
    first, second = event.north.enter(key), new()
    event.south.results(event.south.scan(second, key, at=9e9))
    expect(_conflict(event, event.north, first).get("stands") is True, "no conflict was told")
    event.south.results(event.south.record(Kind.NO_PASSAGE, second))
    for gate, mine in ((event.north, first), (event.south, second)):
        found = _conflict(event, gate, mine)
        expect(found.get("stands") is False, f"{gate.name} hears {found}")


def _conflict(event: TestEvent, gate: Gate, presentation: bytes) -> dict[str, Any]:
    rows = event.pages("conflicts", gate)
    return next((r for r in reversed(rows) if r["presentation"] == presentation.hex()), {})
