"""What the server answers instead of an answer: an HTTP status, a name, a cause and a remedy."""

from tickets.errors import GateError


class ProtocolError(GateError):
    """A call that is refused. The body of the answer is `{"error", "cause", "remedy"}`."""

    def __init__(self, status: int, name: str, cause: str, remedy: str) -> None:
        super().__init__(cause, remedy)
        self.status = status
        self.name = name

    def body(self) -> dict[str, str]:
        """The JSON body of the answer. Source: docs/protocol.md."""
        return {"error": self.name, "cause": self.cause, "remedy": self.remedy}


class CentralFault(GateError):
    """A command of the organiser cannot be done: no database, no key, no such ticket."""


def malformed(cause: str) -> ProtocolError:
    """400: the body does not have the documented shape."""
    return ProtocolError(
        400, "body_malformed", cause, "Send the body that docs/protocol.md describes for this call"
    )
