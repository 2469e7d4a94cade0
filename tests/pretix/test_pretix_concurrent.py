"""Two gates at the same moment, on PostgreSQL: pretix itself says yes once."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.rigs.pretix_plan import EventPlan
from tests.rigs.pretix_rig import Server, pretix

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("pretix-evening")]


@pytest.fixture(scope="module")
def door() -> Iterator[tuple[Server, EventPlan]]:
    """The event "evening" on PostgreSQL."""
    with pretix("postgres") as server:
        yield server, server.seed("small").event("evening")


def test_eight_scans_of_one_ticket_are_one_entry(door: tuple[Server, EventPlan]) -> None:
    """One 201, seven 400, and one successful row."""
    server, event = door
    [ticket] = server.bulk("evening", event.items["standard"], 1)
    server.token()

    def scan(number: int) -> int:
        return server.raw_redeem(
            event.list("door"), ticket["secret"], nonce=f"scan {number}"
        ).status_code

    with ThreadPoolExecutor(8) as pool:
        found = Counter(pool.map(scan, range(8)))
    assert found == {201: 1, 400: 7}
    rows = [row for row in server.checkins("evening") if row["secret"] == ticket["secret"]]
    assert [row["successful"] for row in rows].count(True) == 1


def test_two_thousand_orders_come_in_forty_pages(door: tuple[Server, EventPlan]) -> None:
    """The bulk seeder's orders are orders like others: found, counted, and scanned."""
    server, event = door
    sold = server.bulk("evening", event.items["standard"], 2_000)
    answer = server.api().get(server.event_path("evening", "orders/"))
    assert answer.json()["count"] >= 2_000
    assert len(answer.json()["results"]) == 50
    assert server.redeem(event.list("door"), sold[1_999]["secret"]).status == "ok"


def test_killed_server_keeps_what_it_stored(door: tuple[Server, EventPlan]) -> None:
    """Kill and restart: same port, same rows."""
    server, event = door
    [ticket] = server.bulk("evening", event.items["standard"], 1)
    assert server.redeem(event.list("door"), ticket["secret"], nonce="before").status == "ok"
    server.restart()
    assert server.redeem(event.list("door"), ticket["secret"], nonce="before").status == "ok"
    found = [row for row in server.checkins("evening") if row["secret"] == ticket["secret"]]
    assert len(found) == 1
