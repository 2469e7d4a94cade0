"""The named faults of talking to a server."""

from tickets.errors import GateError


class ServerFault(GateError):
    """The server gave no usable answer; the base of all that a later attempt may cure."""


class ServerUnreachable(ServerFault):
    """No connection: no network, no name, refused, a certificate that is not trusted."""

    def __init__(self, url: str, what: object) -> None:
        super().__init__(
            f"server {url} cannot be reached: {what}",
            "Check the gate's network cable, then the address and ca_file in admit.toml",
        )


class ServerSlow(ServerFault):
    """The whole answer was not there when the time allowed for the call was over."""

    def __init__(self, url: str, seconds: float) -> None:
        super().__init__(
            f"server {url} did not answer within {seconds:.2g} s",
            "Check the link to the server, and the load of the server",
        )


class AnswerMalformed(ServerFault):
    """What came is no answer of the gate protocol: HTML, half a body, endless, another schema."""

    def __init__(self, url: str, what: object) -> None:
        super().__init__(
            f"server {url} gave no answer of the gate protocol: {what}",
            "Check the address in admit.toml; a login page of the network may stand in between",
        )


class ServerRefused(ServerFault):
    """The server says no, in its own words.

    `status` is the HTTP status, `error` the protocol's name of the error, or empty.
    """

    def __init__(
        self, url: str, status: int, error: str, cause: str = "", remedy: str = ""
    ) -> None:
        named = f"{status} {error or 'without a name'}"
        super().__init__(
            f"server {url} refused ({named}): {cause or 'no cause given'}",
            remedy or "Look into the log of the server",
        )
        self.status = status
        self.error = error


class ClaimOnTheWay(ServerFault):
    """There is nothing to annul yet: the claim may still arrive, and is annulled again later."""

    def __init__(self) -> None:
        super().__init__(
            "a claim that got no answer may still be on its way",
            "Nothing to do: it is given back once it has arrived, or never will",
        )


class EnrolmentMissing(GateError):
    """The gate is not enrolled, and has no token to enrol with."""

    def __init__(self) -> None:
        super().__init__(
            "the gate is not enrolled and admit.toml has no server.token",
            "Make a token at the server ('admit central token') and put it into admit.toml",
        )


class IdentityDamaged(GateError):
    """The device key or identity file does not hold what it should."""

    def __init__(self, what: object) -> None:
        super().__init__(
            f"the gate's identity cannot be used: {what}",
            "Remove the identity files of sync and enrol the gate again with a new token",
        )


class WrongEvent(GateError):
    """The server enrolled this gate for another event than admit.toml says."""

    def __init__(self, ours: str, theirs: str) -> None:
        super().__init__(
            f"the server enrolled this gate for event {theirs[:40]!r}, admit.toml says {ours!r}",
            "Use a token of the right event, or correct gate.event in admit.toml",
        )
