"""A gate's sync at a pretix server, without processes: what was fetched, as scanner would read it.

gate = PretixGate(tmp_path, server.url, token); gate.poll(); gate.row("secret"); gate.policy
"""

import gzip
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from admission.rules import EventPolicy
from scanner.statements import Statements
from store.listfile import list_serials
from store.mirror import Mirror
from store.mirror_reader import RedemptionElsewhere
from sync.http import Http
from sync.pretix.api import Pretix
from sync.pretix.codes import Codes
from sync.pretix.enrolment import Badge, initialize, load
from sync.pretix.roles import PretixPuller
from sync.pretix.server import PretixServer
from sync.pretix.staging import Staging
from tickets.bodies import ListHead
from tickets.keyring import pinned
from tickets.links import linked
from tickets.rows import Ticket, unpack

NAME = "PTX"


class PretixGate:
    """Enrolled when made; `poll` is a round of sync."""

    def __init__(
        self,
        directory: Path,
        url: str,
        token: str,
        *,
        events: Sequence[str] = ("demo",),
        lists: Sequence[str] = ("main",),
        signed_suffice: bool = False,
        codes: Codes | None = None,
        http: Http | None = None,
    ) -> None:
        self.directory, self.now = directory, 1000.0
        self.http = http or Http(url)
        enrolment = load(directory) or initialize(self.http, directory, token, NAME, None)
        self.badge = Badge(directory, enrolment)
        self.mirror = Mirror(directory / "mirror.db")
        root = enrolment.notary.root
        self.staging = Staging(directory / "pretix.db", root.hex())
        self.api = Pretix(
            self.http, self.badge.token, rolled=self.badge.rolling, monotonic=self._monotonic
        )
        self.server = PretixServer(
            self.api,
            self.badge,
            self.staging,
            self.mirror,
            directory,
            events=events,
            lists=lists,
            signed_suffice=signed_suffice,
            codes=codes or Codes(directory / "sync.sock", enrolment.notary),
            monotonic=self._monotonic,
        )
        self.puller = PretixPuller(
            self.server, self.mirror, pinned([root]), NAME, directory, monotonic=self._monotonic
        )

    def _monotonic(self) -> float:
        return self.now

    def poll(self, seldom: bool = True) -> None:
        """One round; with `seldom` it looks at everything again."""
        self.now += 61.0 if seldom else 1.0
        self.puller.poll()

    @property
    def believed(self) -> Statements:
        """What scanner believes of the mirror."""
        found = Statements(NAME, (self.badge.enrolment.notary.root,), 1)
        for stored in self.mirror.statements():
            found.take(stored.wire)
        return found

    @property
    def policy(self) -> EventPolicy:
        """The rules in force."""
        policy = self.believed.policy
        assert policy is not None
        return policy

    def key(self, code: str) -> bytes:
        """The ticket key of a code."""
        return self.server.intake.key(code)

    def row(self, code: str) -> Ticket | None:
        """The row of a code as the gate would find it: the list with its deltas."""
        return self.of_key(self.key(code))

    def of_key(self, key: bytes) -> Ticket | None:
        """The row of a ticket key."""
        believed = self.believed
        chain = believed.newest_chain
        assert chain is not None
        overlay = believed.overlay(chain)
        if key in overlay:
            return overlay[key]
        packed = self.rows().get(key)
        return unpack(packed) if packed else None

    def listed(self) -> set[bytes]:
        """Ticket keys of the list with its deltas."""
        believed = self.believed
        assert believed.newest_chain is not None
        found = set(self.rows())
        for key, ticket in believed.overlay(believed.newest_chain).items():
            (found.discard if ticket is None else found.add)(key)
        return found

    def rows(self) -> dict[bytes, bytes]:
        """Rows of the newest full list, by key."""
        chain = self.believed.newest_chain
        assert chain is not None
        assert isinstance(chain.head.body, ListHead)
        found: list[bytes] = []
        serial = list_serials(self.directory)[0]
        assert serial == chain.head.serial
        self.server.rows(chain.head.body.hash, found.append, 1 << 30)
        data = gzip.decompress(b"".join(found))
        return {data[at : at + 16]: data[at : at + 30] for at in range(0, len(data), 30)}

    def linked(self, code: str) -> tuple[bytes, ...]:
        """What the row of a code points to."""
        return linked(self.key(code), self.of_key)

    def uses(self, code: str) -> tuple[RedemptionElsewhere, ...]:
        """Check-ins of a code, as the mirror tells scanner."""
        key = self.key(code)
        return tuple(row for row in self.all_uses() if row.ticket_key == key)

    def all_uses(self) -> list[RedemptionElsewhere]:
        """Check-ins of all tickets; without the limit in time that scanner has."""
        query = (
            "SELECT presentation, ticket_key, list, direction, at, gate, device, epoch, stands"
            " FROM redemption ORDER BY at"
        )
        with closing(sqlite3.connect(self.directory / "mirror.db")) as base:
            return [RedemptionElsewhere(*row) for row in base.execute(query)]
