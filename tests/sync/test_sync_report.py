"""What scanner is told of the server: how old the list is and what is wrong, and only as news."""

import threading
import time
from typing import Any

import pytest

from sync.errors import ServerRefused, ServerSlow, ServerUnreachable
from sync.pull import Puller
from sync.report import ONLINE_FOR, Report
from sync.roles import Roles
from tests.rigs.server import EVENT, Mode, roots
from tests.rigs.sync_scanner import SyncScanner

UNREACHABLE = ServerUnreachable("http://127.0.0.1:1", "no route")


class Bench:
    """A report over a real session; what the puller says is set by the test."""

    def __init__(self, gate, mirror, directory) -> None:
        self.now = time.monotonic()
        self.puller = Puller(gate, mirror, roots(), EVENT, directory)
        self.report = Report(gate, mirror, self.puller, lambda: 7, lambda: self.now)

    def told(self, link: Any) -> dict[str, Any] | None:
        return self.report.news(link)


@pytest.fixture
def bench(gate, mirror, tmp_path):
    return Bench(gate, mirror, tmp_path)


def test_a_good_answer_to_a_probe_makes_no_list_newer(bench):
    state = bench.report.state()
    assert (state["online"], state["list_age"], state["fault"]) == (True, None, None)


def test_the_lists_age_is_that_of_the_last_complete_poll(bench):
    bench.puller.completed = bench.now - 3600.0
    assert bench.report.state()["list_age"] == 3600.0


@pytest.mark.parametrize(
    ("case", "fault", "age", "shown"),
    [
        ("none", None, 5.0, False),
        ("one poll lost", UNREACHABLE, 5.0, False),
        ("one poll slow", ServerSlow("s", 20.0), 5.0, False),
        ("away for long", UNREACHABLE, ONLINE_FOR + 1, True),
        ("away since the start", UNREACHABLE, None, True),
        ("refused", ServerRefused("s", 403, "device_revoked"), 5.0, True),
    ],
)
def test_a_fault_of_the_polls_is_told_unless_it_is_passing(bench, case, fault, age, shown):
    bench.puller.fault = fault
    bench.puller.completed = None if age is None else bench.now - age
    told = {"cause": fault.cause, "remedy": fault.remedy} if shown else None
    assert bench.report.state()["fault"] == told, case


def test_the_same_is_told_once_a_connection(bench):
    assert bench.told("first")["waiting"] == 7
    assert bench.told("first") is None
    assert bench.told("second")["waiting"] == 7


def test_an_age_that_only_grows_is_no_news_and_a_new_poll_is(bench):
    bench.puller.completed = bench.now
    assert bench.told("link")["list_age"] == 0.0
    bench.now += 5.0
    assert bench.told("link") is None
    bench.puller.completed = bench.now
    assert bench.told("link")["list_age"] == 0.0


def test_claims_do_not_wait_for_what_is_told(server, gate, mirror, tmp_path):
    """A database that is slow to count what is parked keeps no guest waiting."""
    scanner, slow = SyncScanner(tmp_path), threading.Event()
    mirror.parked_count = lambda: slow.wait(30) and 0
    puller = Puller(gate, mirror, roots(), EVENT, tmp_path)
    roles = Roles(scanner.path, gate, gate, mirror, puller)
    server.mode, server.only = Mode.GOOD, "nothing"
    for role in (roles.claims, roles.tell):
        threading.Thread(target=role, daemon=True).start()
    for number in range(3):
        claim = scanner.claim(number.to_bytes(16, "big"), (50 + number).to_bytes(16, "big"), 5.0)
        assert claim["result"] == "granted"
    slow.set()
    assert scanner.wait_told(lambda m: "server" in m)["server"]["parked"] == 0
    scanner.die()


def test_every_role_is_missed_when_it_gives_no_sign_of_life(gate, mirror, tmp_path):
    now = [0.0]
    puller = Puller(gate, mirror, roots(), EVENT, tmp_path)
    roles = Roles(tmp_path / "no.sock", gate, gate, mirror, puller, monotonic=lambda: now[0])
    assert roles.stuck() == []
    now[0] = 1000.0
    assert sorted(roles.stuck()) == sorted(roles.all())
