"""Rules of what a gate is to believe: statements, lists, time, commands."""

import base64

from cli.conformance.event import CANCELLED, TestEvent, new
from cli.conformance.rules import expect, rule
from tickets.bodies import ServerTime, Type
from tickets.rows import Status
from tickets.statements import read_statement

_COMMANDS = {
    "resync": {"do"},
    "revoke": {"do"},
    "message": {"do", "text"},
    "out_of_service": {"do", "lane", "text"},
    "in_service": {"do", "lane"},
}


def server_time(event: TestEvent) -> float:
    """Unix seconds as the heartbeat signs them, for a nonce of ours."""
    event.statements()
    nonce = new()
    beat = event.north.call("POST", "/v1/heartbeat", {"nonce": nonce.hex(), "health": {}})
    expect(beat.status == 200, beat)
    wire = base64.b64decode(beat.json["time"], validate=True)
    statement = read_statement(wire, event.north.event, event.keyring)
    expect(isinstance(statement.body, ServerTime), f"it is a {statement.type}")
    assert isinstance(statement.body, ServerTime)
    expect(statement.body.nonce == nonce, "it is signed for another nonce")
    return statement.body.at / 1000


@rule(
    "statements.verified",
    "All that is to be believed verifies from the pinned root, each by what came before it",
    "Send keyset, policy, list and deltas in order; sign, number and chain them as told",
)
def _(event: TestEvent) -> None:
    types = [statement.type for statement in event.statements()]
    expect(bool(types) and types[0] is Type.KEYSET, f"it begins with {types[:1]}")
    expect({Type.POLICY, Type.LIST} <= set(types), f"there are {types}")


@rule(
    "statements.cursor",
    "after=N sends what is newer than N alone, and next goes on from there",
    "Number statements as they are published; select cursor > after; next is the last cursor",
)
def _(event: TestEvent) -> None:
    first = event.north.call("GET", "/v1/statements?after=0").json
    cursors = [row["cursor"] for row in first["statements"]]
    expect(cursors == sorted(set(cursors)) and first["next"] == cursors[-1], first["next"])
    rest = event.north.call("GET", f"/v1/statements?after={cursors[0]}").json["statements"]
    expect([row["cursor"] for row in rest] == cursors[1:], [row["cursor"] for row in rest])
    end = event.north.call("GET", f"/v1/statements?after={cursors[-1]}").json
    expect(end == {"statements": [], "next": cursors[-1]}, end)


@rule(
    "list.rows",
    "The list is fetched by its hash, and names tickets by their keys",
    "Serve gzip of the sorted 30-byte rows; keys are BLAKE2b as docs/protocol.md has it",
)
def _(event: TestEvent) -> None:
    rows = event.tickets()
    single, cancelled = rows.get(event.key("CHECK-0")), rows.get(event.key(CANCELLED))
    group = rows.get(event.key("CHECK-GROUP-0"))
    expect(single is not None and single.entries == 1, f"CHECK-0: {single}")
    expect(group is not None and group.entries == 4, f"CHECK-GROUP-0: {group}")
    marked = cancelled is not None and Status.CANCELLED in cancelled.flags
    expect(marked, f"{CANCELLED}: {cancelled}")


@rule(
    "list.gone",
    "A list that is not there any more is named, so that the gate reads the statements again",
    "Answer 404 list_gone for a hash that is not kept",
)
def _(event: TestEvent) -> None:
    answer = event.north.call("GET", "/v1/lists/" + new().hex() * 2)
    expect(answer.status == 404 and answer.json.get("error") == "list_gone", answer)


@rule(
    "heartbeat.time",
    "A heartbeat is answered with the time, signed for its nonce",
    "Sign a statement of type time over the nonce and milliseconds with a list key",
)
def _(event: TestEvent) -> None:
    first, second = server_time(event), server_time(event)
    expect(0 <= second - first < 120, f"time went from {first} to {second}")


@rule(
    "heartbeat.commands",
    "A gate is told nothing but what it knows; never to release, never to admit",
    "Send only commands that docs/protocol.md has, with exactly their fields",
)
def _(event: TestEvent) -> None:
    beat = {"nonce": new().hex(), "health": {"faults": []}}
    told = event.north.call("POST", "/v1/heartbeat", beat).json.get("commands")
    expect(isinstance(told, list), f"commands: {told!r}")
    for command in told:
        expect(command.keys() == _COMMANDS.get(command.get("do")), command)


@rule("ping", "A probe is answered", "Answer 200 {} from memory")
def _(event: TestEvent) -> None:
    answer = event.north.call("GET", "/v1/ping")
    expect(answer.status == 200 and answer.json == {}, answer)
