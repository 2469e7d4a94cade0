"""A whole gate, as it is delivered, beside a real pretix: from the set-up code to the last."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.rigs.pretix_real_gate import PretixRealGate
from tests.rigs.pretix_rig import pretix
from tests.rigs.real_gate import until

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("gate")]


def verdict(gate: PretixRealGate, code: str) -> tuple[str, str | None]:
    said: dict[str, Any] = gate.present(code)
    return said["verdict"], said.get("reason")


def known_uses(gate: PretixRealGate) -> int:
    """Check-ins of the server that sync has told scanner, our own among them."""
    with closing(sqlite3.connect(gate.state / "sync" / "mirror.db")) as base:
        return int(base.execute("SELECT count(*) FROM redemption").fetchone()[0])


def test_from_the_set_up_code_before_the_camera_to_the_end_of_the_device(tmp_path: Path) -> None:
    with pretix() as server:
        event = server.seed("small").event("evening")
        sold = server.bulk("evening", event.items["standard"], 12, tickets_each=2)
        codes = [str(row["secret"]) for row in sold]
        device = server.device("north")
        more = 'organizer = "admit"\nevents = ["evening"]'
        with PretixRealGate(tmp_path, "north", server.url, more, "door") as gate:
            gate.start()
            assert "not enrolled at pretix" in gate.fault("sync")
            gate.show(server.handshake(device))
            gate.ready(None)

            gate.enter(codes[0])
            assert verdict(gate, codes[0]) == ("refused", "already_redeemed")

            server.redeem(event.list("door"), codes[4])
            new = server.change(codes[2], "cancel_order")
            until(lambda: verdict(gate, new)[1] == "cancelled", "the cancellation acts", 30)
            assert verdict(gate, codes[2]) == ("refused", "revoked")
            until(lambda: known_uses(gate) == 2, "the scan elsewhere, and ours, are known", 30)
            assert verdict(gate, codes[4]) == ("refused", "already_redeemed")
            assert "sync" not in gate.faults()

            server.set_device(device, revoked=True)
            until(lambda: all(part.poll() for part in gate.parts.values()), "both end", 60)
            left = {path.name for path in (gate.state / "sync").iterdir()}
            assert left <= {"withdrawn.json", "lock"}
            gate.start()
            assert "has revoked this device" in gate.fault("sync")

            gate.show(server.handshake(server.device("north again")))
            gate.ready(None)
            assert verdict(gate, codes[4]) == ("refused", "already_redeemed")
            gate.enter(codes[6])
