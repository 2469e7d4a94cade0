"""The gate's sync against a real pretix: everything it fetches, and what changes meanwhile."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sync.pretix.errors import (
    DeviceRevoked,
    EventTakenAway,
    ProfileForbids,
    SigningKeyChanged,
)
from tests.rigs.pretix_gate import PretixGate
from tests.rigs.pretix_plan import EventPlan, NewDevice
from tests.rigs.pretix_rig import Server, pretix
from tickets.errors import GateError
from tickets.rows import Status

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("backend")]


class Fair(NamedTuple):
    """A server with orders of two tickets each, and a gate enrolled there."""

    server: Server
    event: EventPlan
    sold: list[Any]
    device: NewDevice
    gate: PretixGate


@pytest.fixture(scope="module")
def fair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fair]:
    with pretix() as server:
        event = server.seed("small").event("evening")
        sold = server.bulk("evening", event.items["standard"], 60, tickets_each=2)
        device = server.device("north")
        directory: Path = tmp_path_factory.mktemp("gate")
        gate = PretixGate(
            directory, server.url, device.token, events=("evening",), lists=("door", "bar")
        )
        gate.poll()
        yield Fair(server, event, sold, device, gate)


def flags(gate: PretixGate, code: str) -> Status | None:
    row = gate.row(code)
    return None if row is None else row.flags


def code(fair: Fair) -> str:
    """A ticket that no test has touched; its neighbour of the same order stays valid."""
    fair.sold.pop()
    return str(fair.sold.pop()["secret"])


def test_every_ticket_sold_is_on_the_list(fair: Fair) -> None:
    assert fair.gate.puller.fault is None
    assert {fair.gate.key(row["secret"]) for row in fair.sold} <= fair.gate.listed()


def test_keys_lists_and_zone_are_those_of_the_event(fair: Fair) -> None:
    policy = fair.gate.policy
    assert policy.events["evening"].timezone == fair.event.timezone
    assert set(policy.lists) == {"door", "door (evening)", "bar", "bar (evening)"}
    signed = fair.gate.believed.keyring.trust("PTX")
    assert len(signed.pretix_keys) == 1


@pytest.mark.parametrize(
    ("how", "old", "new"),
    [
        ("cancel", Status.REVOKED, Status.CANCELLED),
        ("cancel_order", Status.REVOKED, Status.CANCELLED),
        ("swap", Status.REVOKED, Status(0)),
        ("block", Status.BLOCKED, Status.BLOCKED),
    ],
)
def test_what_the_organiser_does_acts_at_the_next_round(
    fair: Fair, how: Any, old: Status, new: Status
) -> None:
    before = code(fair)
    after = fair.server.change(before, how)
    fair.gate.poll(seldom=False)
    assert flags(fair.gate, before) == old
    assert flags(fair.gate, after) == new


def test_a_ticket_that_is_blocked_no_longer_is_valid_again(fair: Fair) -> None:
    found = fair.server.change(code(fair), "block")
    fair.gate.poll(seldom=False)
    fair.server.change(found, "unblock")
    fair.gate.poll(seldom=False)
    assert flags(fair.gate, found) == Status(0)


def test_a_scan_elsewhere_is_known_and_follows_a_swapped_code(fair: Fair) -> None:
    found = code(fair)
    fair.server.redeem(fair.event.list("door"), found)
    fair.gate.poll(seldom=False)
    (use,) = fair.gate.uses(found)
    assert (use.list, use.direction, use.stands) == ("door (evening)", "entry", True)
    swapped = fair.server.change(found, "swap")
    fair.gate.poll(seldom=False)
    assert [row.presentation for row in fair.gate.uses(swapped)] == [use.presentation]


def test_a_switch_of_a_list_arrives(fair: Fair) -> None:
    assert fair.gate.policy.lists["door (evening)"].entries == 1
    fair.server.set_list(fair.event.list("door"), allow_multiple_entries=True)
    fair.gate.poll()
    assert fair.gate.policy.lists["door (evening)"].entries == 0


def test_no_code_of_the_server_is_in_any_file(fair: Fair) -> None:
    files = [path for path in fair.gate.directory.rglob("*") if path.is_file()]
    found = b"".join(path.read_bytes() for path in files)
    assert [row["secret"] for row in fair.sold if row["secret"].encode() in found] == []
    assert [row["code"] for row in fair.sold if f'"{row["code"]}"'.encode() in found] == []


def test_a_new_token_replaces_the_old_one_at_once(fair: Fair) -> None:
    before = fair.gate.badge.token()
    fair.gate.badge.roll(fair.gate.api)
    assert fair.gate.badge.token() != before
    fair.gate.poll()
    assert fair.gate.puller.fault is None
    assert fair.server.api(before).get("device/info").status_code == 401


def test_another_key_for_signed_codes_is_named_and_what_is_listed_stays(fair: Fair) -> None:
    fair.server.new_key("evening")
    fair.gate.poll()
    assert isinstance(fair.gate.puller.fault, SigningKeyChanged)
    assert flags(fair.gate, str(fair.sold[0]["secret"])) == Status(0)


def test_the_end_of_a_device_step_by_step(fair: Fair) -> None:
    """Another profile, no event, revoked: each is named; until the last the tickets stay."""
    known = str(fair.sold[0]["secret"])
    fair.server.set_device(fair.device, profile="pretixscan_online_noorders")
    fair.gate.poll()
    assert isinstance(fair.gate.puller.fault, ProfileForbids)
    fair.server.set_device(fair.device, profile="pretixscan", events=[])
    fair.gate.poll()
    assert isinstance(fair.gate.puller.fault, EventTakenAway)
    assert flags(fair.gate, known) == Status(0)
    fair.server.set_device(fair.device, revoked=True)
    with pytest.raises(GateError) as caught:
        fair.gate.poll()
    assert isinstance(caught.value, DeviceRevoked)
