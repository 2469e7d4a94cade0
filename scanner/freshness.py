"""What speaks against what is in force, though all of it was signed: expired, held back, withdrawn.

Nothing here takes anything out of force. Old data stays, and is shown as old (design 8): a freeze
must be seen, and must not close a gate.
"""

import time

from admission.clock import Clock, ClockState
from admission.errors import GateError
from scanner.statements import Statements
from tickets.bodies import Type
from tickets.chain import is_expired
from tickets.statements import Statement

CONFIRMED_WITHIN = 900.0
"""Seconds within which a server that signs confirms its list: it does so every 300."""
RECENT = 60.0
"""Seconds since the last contact within which a server counts as answering."""


class StatementExpired(GateError):
    """What is in force was to be replaced by now: the server is away, or somebody holds news back.

    Attack of the TUF specification (1.5.2): indefinite freeze.
    """

    def __init__(self, statement: Statement) -> None:
        renew = {
            Type.KEYSET: "Publish the keyset again: docs/keys.md; until then it stays in force",
            Type.POLICY: "Publish the rules again: admit central policy FILE; they stay in force",
        }
        super().__init__(
            f"the {_NAMES[statement.type]} in force expired on {_when(statement.expires)}",
            renew.get(
                statement.type,
                "Bring the gate in touch with its server, or a newer stick to it; if it is in "
                "touch, somebody holds news back: check what stands between the two",
            ),
        )


class ListFrozen(GateError):
    """The server answers, but what it answers is not news any more: a freeze."""

    def __init__(self, issued: int) -> None:
        super().__init__(
            f"the server answers, but has signed nothing newer on the list since {_when(issued)}",
            "See that 'admit central serve' runs and names no fault; if it does, somebody between "
            "gate and server holds news back",
        )


class KeyWithdrawn(GateError):
    """What is in force was signed by a key that counts no more."""

    def __init__(self, types: list[Type]) -> None:
        named = " and ".join(_NAMES[each] for each in types)
        super().__init__(
            f"the {named} in force was signed by a key that was withdrawn since",
            "Publish anew with the new list key: admit central import, admit central policy; the "
            "last ones believed stay in force until then",
        )


def expired(statements: Statements, clock: Clock) -> StatementExpired | None:
    """The first of what is in force that has expired; None as well while the time is not known."""
    reading = clock.reading()
    if reading.state is ClockState.UNKNOWN:
        return None
    late = (s for s in statements.newest if is_expired(s, reading.at - reading.uncertainty))
    return next((StatementExpired(statement) for statement in late), None)


def frozen(issued: int, contact: float | None, clock: Clock) -> bool:
    """Whether a server that confirms its list, and answers, has stopped to sign.

    Args:
        issued: When the newest list or delta was issued, Unix seconds.
        contact: Seconds since sync last had all; sync's own word. None: not in this run.
    """
    reading = clock.reading()
    known = reading.state is not ClockState.UNKNOWN and contact is not None
    return known and reading.at - reading.uncertainty - issued > CONFIRMED_WITHIN


def withdrawn(statements: Statements) -> KeyWithdrawn | None:
    """What is in force without a key that counts."""
    types = statements.withdrawn
    return KeyWithdrawn(types) if types else None


_NAMES = {Type.KEYSET: "keyset", Type.POLICY: "rules", Type.LIST: "list", Type.DELTA: "list"}


def _when(at: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))
