"""The base of every named error in Admit."""


class GateError(Exception):
    """A fault a person can act on: what happened, and what to do about it.

    The screen and the command line show both lines, so both are whole phrases.
    """

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause}. {remedy}")
        self.cause = cause
        self.remedy = remedy
