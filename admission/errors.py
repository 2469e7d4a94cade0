"""The named faults of a gate. Each says cause and remedy; the screen shows both."""

from tickets.errors import GateError

__all__ = ["GateError"]
