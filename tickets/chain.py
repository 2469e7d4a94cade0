"""How statements follow each other: pure rules against old, skipped and mixed news."""

from tickets.attacks import Attack, StatementRejected
from tickets.bodies import Delta, Type
from tickets.statements import Statement

SERIALS_FROM = 1_735_689_600
"""2025-01-01: serials count seconds from here, so that the first stays below `MAX_JUMP`."""
MAX_JUMP = 2**31
"""Farthest a serial may rise at once: farther would leave no room for later ones."""


def is_expired(statement: Statement, now: float) -> bool:
    """Say whether ``statement`` is old news at ``now`` (unix seconds): a freeze, if it stays."""
    return now >= statement.expires


def follows(previous: Statement | None, new: Statement) -> None:
    """Check that ``new`` may take the place of ``previous``, both verified.

    Args:
        previous: For a delta the list or delta it is to build on, else the last statement of
            the same type; None when the gate has none yet.
        new: The same statement once more is fine: no news.
    Raises:
        StatementRejected: roll-back, fast-forward, or mix-and-match.
    """
    if previous is not None and new.digest == previous.digest:
        return
    _check_serial(previous.serial if previous else 0, new)
    if isinstance(new.body, Delta):
        _check_base(previous, new, new.body)
    elif previous is not None and previous.type is not new.type:
        raise StatementRejected(Attack.MIX_AND_MATCH, f"a {new.type} after a {previous.type}")
    # Only a direct successor can be told: a gate that was away has not seen those between.
    elif previous is not None and new.serial == previous.serial + 1:
        _check_link(previous, new)


def _check_serial(current: int, new: Statement) -> None:
    if new.serial <= current:
        raise StatementRejected(
            Attack.ROLL_BACK, f"{new.type} {new.serial} is not newer than {current}"
        )
    if new.serial - current > MAX_JUMP:
        raise StatementRejected(
            Attack.FAST_FORWARD, f"{new.type} jumps from {current} to {new.serial}"
        )


def _check_base(previous: Statement | None, new: Statement, delta: Delta) -> None:
    if previous is None or previous.type not in (Type.LIST, Type.DELTA):
        raise StatementRejected(Attack.MIX_AND_MATCH, f"delta {new.serial} has no list under it")
    base = previous.body.base if isinstance(previous.body, Delta) else previous.serial
    if delta.base != base:
        raise StatementRejected(
            Attack.MIX_AND_MATCH, f"delta {new.serial} is of list {delta.base}, not {base}"
        )
    _check_link(previous, new)


def _check_link(previous: Statement, new: Statement) -> None:
    if (new.previous, new.event) != (previous.digest, previous.event):
        raise StatementRejected(
            Attack.MIX_AND_MATCH, f"{new.type} {new.serial} builds on another statement"
        )
