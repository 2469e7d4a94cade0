"""Names for the ways in which a statement can be no news from the organiser.

Source: the specification of The Update Framework (TUF), section 1.5.2, names the attacks.
"""

from enum import StrEnum

from tickets.errors import GateError


class Attack(StrEnum):
    """What a refused statement looks like; the names that screen, log and tests use."""

    FORGERY = "forgery"
    WITHDRAWN_KEY = "withdrawn_key"
    WRONG_EVENT = "wrong_event"
    MALFORMED = "malformed"
    OVERSIZED = "oversized"
    ROLL_BACK = "roll_back"
    FAST_FORWARD = "fast_forward"
    MIX_AND_MATCH = "mix_and_match"


_REMEDY = {
    Attack.FORGERY: "Check the server's address and the root keys in admit.toml",
    Attack.WITHDRAWN_KEY: "Have the server sign with a key that is not revoked",
    Attack.WRONG_EVENT: "Check that gate and server are set up for the same event",
    Attack.MALFORMED: "Check that server and gate run matching versions",
    Attack.OVERSIZED: "Have the server publish a full list instead of a large delta",
    Attack.ROLL_BACK: "Check that the server was not restored from an old copy",
    Attack.FAST_FORWARD: "Check who has used the signing key, and withdraw it if in doubt",
    Attack.MIX_AND_MATCH: "Let the gate fetch everything again; if it stays, check the server",
}


class StatementRejected(GateError):
    """A statement is not believed; what was applied before stays in force."""

    def __init__(self, attack: Attack, cause: str) -> None:
        super().__init__(f"statement refused ({attack}): {cause}", _REMEDY[attack])
        self.attack = attack
