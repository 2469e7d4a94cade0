"""The test event that a server is checked with: what it must hold, and what a gate knows of it."""

import base64
import binascii
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from typing import Any

from cli.conformance.gate import Gate
from cli.conformance.rules import Broken, expect
from cli.conformance.wire import Wire
from tickets.bodies import Delta, ListHead, Type
from tickets.chain import follows
from tickets.credential import Credential, Format
from tickets.errors import GateError
from tickets.keyring import pinned
from tickets.keys import ticket_key
from tickets.rows import Ticket, inflate, unpack_all
from tickets.statements import Statement, keyring_from, read_statement

SINGLES, GROUPS = 300, 20
CANCELLED = "CHECK-CANCELLED"


def csv_text() -> str:
    """The tickets of the test event, as `admit central import` takes them."""
    rows = [f"CHECK-{n},1,valid" for n in range(SINGLES)]
    rows += [f"CHECK-GROUP-{n},4,valid" for n in range(GROUPS)]
    rows.append(f"{CANCELLED},1,cancelled")
    # Opaque codes, each its own id: of those a gate can say the ticket key without having met one.
    return "".join(f"{row}\n" for row in ["id,entries,status,code", *map(_with_code, rows)])


def _with_code(row: str) -> str:
    return f"{row},{row.partition(',')[0]}"


class NotReady(GateError):
    """The server lacks what docs/protocol.md asks of a test event."""


class TestEvent:
    """Two gates at one server, and tickets that nobody has used.

    Args:
        tokens: One-time token by gate name; two at least.
        roots: The root keys in base64, as admit.toml pins them.
        check_in_list: A list of the policy that admits every product and has no rules.
    Raises:
        NotReady: fewer than two tokens, or a root key that is none.
    """

    __test__ = False  # no test of pytest

    def __init__(
        self, wire: Wire, tokens: Mapping[str, str], roots: Sequence[str], check_in_list: str
    ) -> None:
        if len(tokens) < 2:
            raise NotReady(
                f"{len(tokens)} gates have a token", "Give --enrol-token NAME=TOKEN for two gates"
            )
        try:
            self._pinned = pinned([base64.b64decode(key, validate=True) for key in roots])
        except (binascii.Error, ValueError) as error:
            raise NotReady(f"the root key: {error}", "Give --root as admit.toml has it") from error
        self.wire, self._tokens, self._list = wire, dict(tokens), check_in_list
        self._made: dict[int, Gate] = {}
        self._singles = (f"CHECK-{n}" for n in range(SINGLES))
        self._groups = (f"CHECK-GROUP-{n}" for n in range(GROUPS))

    @property
    def north(self) -> Gate:
        """A gate."""
        return self._gate(0)

    @property
    def south(self) -> Gate:
        """Another gate."""
        return self._gate(1)

    def _gate(self, number: int) -> Gate:
        if number not in self._made:
            name, token = list(self._tokens.items())[number]
            self._made[number] = Gate(self.wire, name, token, self._list)
        return self._made[number]

    def key(self, ticket_id: str) -> bytes:
        """The ticket key of a ticket whose code is its id."""
        return ticket_key(self.north.event_key, Credential(Format.OPAQUE, ticket_id.encode()))

    def single(self) -> bytes:
        """A ticket for one entry that has none yet."""
        return self._unused(self._singles)

    def group(self) -> bytes:
        """A ticket for four entries that has none yet."""
        return self._unused(self._groups)

    def _unused(self, names: Iterator[str]) -> bytes:
        key = next((key for key in map(self.key, names) if key not in self._used), None)
        if key is None:
            raise NotReady(
                "every ticket of the test event was used by earlier runs",
                "Make the event anew; its tickets: admit central-check --tickets",
            )
        return key

    @cached_property
    def _used(self) -> set[bytes]:
        return {bytes.fromhex(row["ticket_key"]) for row in self.pages("redemptions", self.north)}

    def pages(self, name: str, gate: Gate, after: int = 0) -> list[dict[str, Any]]:
        """All rows of a feed after a cursor."""
        found: list[dict[str, Any]] = []
        for _ in range(10_000):
            page = gate.call("GET", f"/v1/{name}?after={after}").json
            rows, end = page.get(name), page.get("next")
            if not isinstance(rows, list) or not isinstance(end, int):
                raise Broken(f"{name}: no page: {str(page)[:100]}")
            expect(not rows or end > after, f"{name}: next is {end} after {after}")
            if not rows:
                return found
            found, after = found + rows, end
        raise Broken(f"{name}: the feed does not end")

    def statements(self) -> list[Statement]:
        """What is in force, each verified by the keys that those before it have named.

        Raises:
            StatementRejected: by name of the attack that it looks like.
        """
        keyring, found, last = self._pinned, [], dict[Type, Statement]()
        for raw in self.pages("statements", self.north):
            wire = base64.b64decode(raw["wire"], validate=True)
            statement = read_statement(wire, self.north.event, keyring)
            chain = Type.LIST if statement.type is Type.DELTA else statement.type
            follows(last.get(chain), statement)
            told = (raw["type"], raw["serial"])
            expect(told == (statement.type, statement.serial), f"{told} beside what is signed")
            if statement.type is Type.KEYSET:
                keyring = keyring_from(keyring, statement)
            last[chain] = statement
            found.append(statement)
        self.keyring = keyring
        return found

    def tickets(self) -> dict[bytes, Ticket]:
        """The list in force with its deltas; its rows checked against what is signed."""
        found: dict[bytes, Ticket] = {}
        for statement in self.statements():
            if isinstance(statement.body, ListHead):
                found = self._fetch(statement.body)
            elif isinstance(statement.body, Delta):
                found |= {row.key: row for row in statement.body.tickets()}
        return found

    def _fetch(self, head: ListHead) -> dict[bytes, Ticket]:
        answer = self.north.call("GET", f"/v1/lists/{head.hash.hex()}")
        expect(answer.status == 200, answer)
        rows = inflate(answer.body, head.size)
        digest = blake2b(rows, digest_size=32).digest()
        expect((len(rows), digest) == (head.size, head.hash), "its rows have another hash or size")
        found = {row.key: row for row in unpack_all(rows)}
        expect(len(found) == head.rows, f"{len(found)} rows, signed are {head.rows}")
        return found


def new() -> bytes:
    """A presentation id."""
    return os.urandom(16)
