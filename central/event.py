"""The one event that a server serves: its database, its keys, its clock, its rules."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from sqlalchemy import Connection, select

from admission.rules import CheckInList, EventPolicy, policy_from_body
from central.database import Database, get_meta
from central.errors import CentralFault
from central.questions import Question, Row
from central.schema import meta
from tickets.cose import key_id, public_key_of
from tickets.keys import event_key_of


@dataclass(frozen=True)
class Central:
    """What every part of the server works with. The root key is not among it."""

    database: Database
    event: str
    event_secret: bytes = field(repr=False)  # no secret in a log
    """32 bytes, from which the codes of tickets are made; no gate gets it."""
    list_seed: bytes = field(repr=False)
    """Ed25519 seed that policy, lists, deltas and times are signed with."""
    now: Callable[[], float] = time.time
    """Unix seconds."""
    wallet_seed: bytes | None = field(default=None, repr=False)
    """Ed25519 seed that tickets on phones are signed with: an issuer of its own, so that it can be
    withdrawn alone; None: this event was made without one."""
    card_key: bytes | None = field(default=None, repr=False)
    """16 bytes by which the event's cards prove themselves; gates get them when they enrol."""

    @property
    def event_key(self) -> bytes:
        """32 bytes by which gates name tickets; they get it when they enrol."""
        return event_key_of(self.event_secret)

    @property
    def signer(self) -> tuple[bytes, bytes]:
        """The list key as `tickets.statements.sign_statement` takes it."""
        return key_id(public_key_of(self.list_seed)), self.list_seed


POLICY: Question = select(meta.c.value).where(meta.c.name == "policy"), {}
"""Asks for what `policy_of` reads."""


def policy_of(rows: Sequence[Row]) -> EventPolicy | None:
    """The organiser's rules as last published; None before the first."""
    return _policy(rows[0]["value"]) if rows else None


@lru_cache(maxsize=4)
def _policy(text: str) -> EventPolicy:
    return policy_from_body(json.loads(text))


def rules_of(policy: EventPolicy | None, check_in_list: str) -> CheckInList:
    """The rules of a list; plain ones when the policy does not name it."""
    known = policy.lists.get(check_in_list) if policy else None
    return known or CheckInList(check_in_list)


def event_of(connection: Connection) -> str:
    """The event that the database was made for.

    Raises:
        CentralFault: it was made for none.
    """
    event = get_meta(connection, "event")
    if event is None:
        raise CentralFault("the database serves no event", "Run first: admit central init")
    return event
