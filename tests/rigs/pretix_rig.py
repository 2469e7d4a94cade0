"""A real pretix on loopback, with seeded events: a separate AGPL server, in tests only.

with pretix() as server:                          # engine="postgres" for what runs at once
    plan = server.seed("everything")              # or "small"; see pretix_world.py
    server.url                                    # http://127.0.0.1:PORT
    token = server.token()                        # of an initialised device, profile pretixscan
    device = server.device("north", gate="north") # one that still waits for its handshake
    tokyo = plan.event("tokyo")
    server.simulate(tokyo.list("everything"), tokyo.ticket("paid"))       # Answer("ok", "")
    server.redeem(...)                            # the same, but stored
    server.api(token).get("version").json()       # any call, raw
    server.bulk("tokyo", tokyo.items["crew"], 2000)  # paid orders, in seconds
    server.change(secret, "swap")                 # cancel, cancel_order, block, unblock, pay
    server.set_list(id, rules={...}); server.new_key("evening")
    server.checkins("evening")                    # every row the server has: the last word
    server.kill(); server.restart()               # same database, same port
    server.pause(); server.resume()               # answers nobody meanwhile, then all

The first use on a machine installs and migrates (minutes, see pretix_install.py); each later start
takes about five seconds. Needs the package `postgresql` for engine="postgres".
"""

import json
import random
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import requests

from tests.rigs.postgres_rig import Cluster, cluster
from tests.rigs.pretix_api import Api
from tests.rigs.pretix_database import copied, loaded
from tests.rigs.pretix_plan import Answer, NewDevice, Plan, Ticket, plan_from_json
from tests.rigs.pretix_process import PretixProcess

Engine = Literal["sqlite", "postgres"]
Change = Literal["cancel", "cancel_order", "swap", "block", "unblock", "pay"]
ORGANIZER = "admit"
SOFTWARE = {
    "hardware_brand": "Admit", "hardware_model": "test", "software_brand": "Admit",
    "software_version": "0.0.1", "os_name": "Linux", "os_version": "6",
}  # fmt: skip


@dataclass
class Server(PretixProcess):
    """One pretix: a database, and a process that can be killed and started again."""

    raw_plan: dict[str, Any] = field(default_factory=dict)
    _tokens: dict[tuple[str, str], str] = field(default_factory=dict)
    _apis: dict[str, Api] = field(default_factory=dict)

    def organizer_path(self, path: str = "") -> str:
        """A path below the organiser, for `Api`."""
        return f"organizers/{ORGANIZER}/{path}"

    def event_path(self, event: str, path: str = "") -> str:
        """A path below an event, for `Api`."""
        return self.organizer_path(f"events/{event}/{path}")

    def seed(self, world: Literal["everything", "small"] = "everything") -> Plan:
        """Fill the database with the events of a world. Once per database."""
        self.raw_plan = self.ask("seed", world=world)
        return plan_from_json(self.raw_plan)

    def device(
        self,
        name: str,
        profile: str = "pretixscan",
        gate: str = "",
        events: Sequence[str] | None = None,
    ) -> NewDevice:
        """A new device, as the admin makes it. ``events``: None for all. Gates are seeded ones."""
        made = self.ask("device", name=name, profile=profile, gate=gate, events=events)
        return NewDevice(made["id"], made["token"])

    def handshake(self, device: NewDevice) -> str:
        """What the QR of the admin's page holds."""
        return json.dumps({"handshake_version": 1, "url": self.url, "token": device.token})

    def initialize(self, device: NewDevice) -> dict[str, Any]:
        """Redeem the one-time token; the answer holds `api_token`."""
        answer = self.api("").post("device/initialize", {"token": device.token, **SOFTWARE})
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def token(self, profile: str = "pretixscan", gate: str = "") -> str:
        """The API token of an initialised device, the same one for the same arguments."""
        wanted = (profile, gate)
        if wanted not in self._tokens:
            made = self.device(f"{profile} {gate}", profile, gate)
            self._tokens[wanted] = str(self.initialize(made)["api_token"])
        return self._tokens[wanted]

    def set_device(
        self,
        device: NewDevice,
        revoked: bool = False,
        profile: str = "",
        events: Sequence[str] | None = None,
    ) -> None:
        """Revoke a device, give it another profile, or leave it only some events."""
        self.ask("set_device", device_id=device.id, revoked=revoked, profile=profile, events=events)

    def api(self, token: str | None = None) -> Api:
        """Calls with a token; None is a device of profile pretixscan, "" is nobody."""
        wanted = self.token() if token is None else token
        key = f"{wanted} {self.port}"
        if key not in self._apis:
            self._apis[key] = Api(self.url, wanted)
        return self._apis[key]

    def simulate(
        self,
        check_in_list: int,
        ticket: Ticket | str,
        kind: Literal["entry", "exit"] = "entry",
        at: datetime | None = None,
        gate: str = "",
        **fields: object,
    ) -> Answer:
        """The full verdict, nothing stored. ``gate``: that of the device that asks."""
        fields = {"simulate": True, **fields}
        return self.redeem(check_in_list, ticket, kind, at, gate, **fields)

    def redeem(
        self,
        check_in_list: int,
        ticket: Ticket | str,
        kind: Literal["entry", "exit"] = "entry",
        at: datetime | None = None,
        gate: str = "",
        **fields: object,
    ) -> Answer:
        """Scan a ticket at a list. ``fields`` go into the request: nonce, force, ..."""
        return answer_of(self.raw_redeem(check_in_list, ticket, kind, at, gate, **fields))

    def raw_redeem(
        self,
        check_in_list: int,
        ticket: Ticket | str,
        kind: Literal["entry", "exit"] = "entry",
        at: datetime | None = None,
        gate: str = "",
        **fields: object,
    ) -> requests.Response:
        """As `redeem`, with the whole answer."""
        shown = ticket if isinstance(ticket, Ticket) else Ticket("", ticket, "barcode", True)
        body: dict[str, object] = {
            "secret": shown.secret, "source_type": shown.source_type,
            "lists": [check_in_list], "type": kind,
        }  # fmt: skip
        if at is not None:
            body["datetime"] = at.isoformat()
        api = self.api(self.token(gate=gate))
        return api.post(self.organizer_path("checkinrpc/redeem/"), body | fields)

    def bulk(
        self, event: str, item: int, count: int, tickets_each: int = 1, paid: bool = True
    ) -> list[Any]:
        """``count`` orders: [{"code", "secret", "position"}, ...], one per ticket. 2,000 in 3 s."""
        words = {"count": count, "tickets_each": tickets_each, "paid": paid}
        made: list[Any] = self.ask("bulk", event=event, item=item, **words)
        return made

    def set_list(self, check_in_list: int, **changes: object) -> None:
        """Change a check-in list: rules, include_pending, allow_multiple_entries, ..."""
        self.ask("set_list", check_in_list=check_in_list, changes=changes)

    def new_key(self, event: str) -> None:
        """Replace the key of an event's signed codes, as an organiser's support might."""
        self.ask("new_key", event=event)

    def change(self, secret: str, how: Change) -> str:
        """What an organiser does to a ticket meanwhile; returns the secret it has afterwards."""
        return str(self.ask("change", secret=secret, how=how))

    def checkins(self, event: str) -> list[Any]:
        """All check-in rows of an event as stored, failed ones too: list, position, secret, type,
        at, successful, reason, explanation, forced, force_sent, nonce, device, gate, raw_item.
        """
        rows: list[Any] = self.ask("checkins", event=event)
        return rows

    def kill(self) -> None:
        """End it as a power cut would: requests under way get no answer."""
        super().kill()
        self._apis.clear()


def answer_of(raw: requests.Response) -> Answer:
    """The verdict in an answer to a scan."""
    if raw.status_code >= 500:
        return Answer("crash", "")
    body = raw.json()
    return Answer(body["status"], body.get("reason") or "")


@contextmanager
def pretix(
    engine: Engine = "sqlite", workers: int = 2, postgres: Cluster | None = None
) -> Iterator[Server]:
    """A fresh pretix that is served; gone afterwards.

    Args:
        engine: "postgres" wherever two requests write at once; SQLite answers some with 500.
        workers: Processes that answer.
        postgres: A cluster to put the database into; none makes one.
    """
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="admit-pretix-")))
        if engine == "sqlite":
            database = copied(directory)
        else:
            database = loaded(postgres or stack.enter_context(cluster()))
        server = Server(directory, database, workers, _free_port())
        stack.callback(server.kill)
        server.start()
        yield server


def _free_port() -> int:
    """A port to keep over restarts: below those that the system gives to clients meanwhile."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
