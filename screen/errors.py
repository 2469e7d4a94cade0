"""The named faults of the screen."""

from tickets.errors import GateError


class LinkLost(GateError):
    """The gate program cannot be heard: gone, silent, or not understood."""


class MessageMalformed(LinkLost):
    """A message of the gate program that docs/ipc.md does not know."""


class ScreenUnavailable(GateError):
    """The pages cannot be served at the configured address."""
