"""The named faults of the playground, with the HTTP status each is told with."""

from tickets.errors import GateError


class PlaygroundError(GateError):
    """Something that a visitor, or a page, asked for in vain."""

    status = 400


class BadRequest(PlaygroundError):
    """A request that the contract does not know (docs/playground.md)."""


class NoSuchThing(PlaygroundError):
    """A ticket, look, lane or switch that is not there."""

    status = 404


class NotNow(PlaygroundError):
    """What was asked cannot be done at this moment."""

    status = 409


class TooLarge(PlaygroundError):
    """A request of more than it may have."""

    status = 413


class NotJson(PlaygroundError):
    """A body that a foreign page could have sent."""

    status = 415


class Stranger(PlaygroundError):
    """A request that came through another page."""

    status = 403


class UnknownHost(PlaygroundError):
    """A request under a name that is not ours."""

    status = 421
