"""The server's answers, read to a schema. Unknown fields are passed over: a server may be newer.

Source: docs/protocol.md.
"""

import base64
import binascii
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from tickets.ad1 import MAX_TIME

_Cursor = Annotated[int, Field(ge=0, lt=2**62)]
_Time = Annotated[float, Field(ge=0, le=1e11, allow_inf_nan=False)]
_Text = Annotated[str, Field(max_length=512)]


def _from_hex(value: object) -> bytes:
    if not isinstance(value, str) or len(value) > 256:
        raise ValueError("not hex")
    return bytes.fromhex(value)


def _from_base64(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError("not base64")
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def _of_length(size: int) -> AfterValidator:
    def check(value: bytes) -> bytes:
        if len(value) != size:
            raise ValueError(f"not {size} bytes")
        return value

    return AfterValidator(check)


_Hex = BeforeValidator(_from_hex)
Id = Annotated[bytes, _Hex, _of_length(16)]
_Epoch = Annotated[bytes, _Hex, _of_length(8)]
_Key = Annotated[bytes, _Hex, _of_length(32)]
_Wire = Annotated[bytes, BeforeValidator(_from_base64)]
_Direction = Literal["entry", "exit"]


class _Model(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        strict=True,
        hide_input_in_errors=True,  # an error is logged; an answer may hold a key
    )


class Refusal(_Model):
    """An error of the protocol."""

    error: _Text
    cause: Annotated[str, Field(max_length=4096)] = ""
    remedy: Annotated[str, Field(max_length=4096)] = ""


class Enrolled(_Model):
    """Answer to `POST /v1/enrol`."""

    device: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
    event: _Text
    event_key: Annotated[_Key, Field(repr=False)]
    card_key: Annotated[bytes, _Hex, _of_length(16)] | None = Field(default=None, repr=False)
    """By which the event's cards prove themselves; None: it has no cards."""


class Bearer(_Model):
    """Answer to `POST /v1/token`."""

    bearer: Annotated[str, Field(pattern=r"^[\x21-\x7e]{8,1024}$", repr=False)]
    expires: _Time


class WireStatement(_Model):
    """One statement, not verified yet."""

    cursor: _Cursor
    type: _Text
    serial: _Cursor
    wire: _Wire


class Statements(_Model):
    """Answer to `GET /v1/statements`."""

    statements: list[WireStatement]
    next: _Cursor


class Redemption(_Model):
    """One entry or exit at any gate."""

    cursor: _Cursor
    presentation: Id
    ticket_key: Id
    list: _Text
    direction: _Direction
    at: _Time
    gate: _Text
    device: _Text
    epoch: _Epoch
    stands: bool
    counter: Annotated[int, Field(ge=0, le=MAX_TIME)] | None = None
    """Of the card's message that was shown, or when the live code was drawn; None: else."""


class Redemptions(_Model):
    """Answer to `GET /v1/redemptions`."""

    redemptions: Annotated[list[Redemption], Field(max_length=1000)]
    next: _Cursor


class OtherEntry(_Model):
    """The entry that conflicts with one of ours."""

    presentation: Id
    ticket_key: Id
    list: _Text
    gate: _Text
    at: _Time


class ConflictRow(_Model):
    """An entry of ours that is part of a conflict."""

    cursor: _Cursor
    presentation: Id
    other: OtherEntry
    stands: bool
    """False: one of the two was annulled, the conflict is none any more."""


class Conflicts(_Model):
    """Answer to `GET /v1/conflicts`."""

    conflicts: Annotated[list[ConflictRow], Field(max_length=1000)]
    next: _Cursor


class RecordAnswer(_Model):
    """What became of one record."""

    seq: Annotated[int, Field(ge=1, lt=2**53)]
    result: Literal["stored", "duplicate", "parked", "fork"]
    reason: Annotated[str, Field(max_length=4096)] | None = None
    conflict: OtherEntry | None = None
    hash: _Key | None = None
    """Of the record that the server holds under this number, where that is another."""


class KnownHead(_Model):
    """The farthest that this device ever said its journal reached."""

    epoch: _Epoch
    seq: Annotated[int, Field(ge=0, lt=2**53)]
    hash: _Key
    at: Annotated[int, Field(ge=0, le=10**11)]
    signature: Annotated[bytes, BeforeValidator(_from_base64), _of_length(64)]
    """Our own: what we did not sign, nobody can hold against us."""


_Missing = tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]


class RecordAnswers(_Model):
    """Answer to `POST /v1/records`."""

    answers: Annotated[list[RecordAnswer], Field(max_length=500)]
    known: KnownHead | None = None
    missing: Annotated[list[Annotated[_Missing, Field(strict=False)]], Field(max_length=64)] = []
    """First and last number of records that have not come, for longer than records overtake."""
    later: Annotated[list[int], Field(max_length=500)] = []
    """Numbers of records that the server fails at for themselves: others are to pass them."""


class ClaimAnswer(_Model):
    """Answer to `POST /v1/claims`."""

    result: Literal["granted", "taken", "refused"]
    gate: _Text | None = None
    at: _Time | None = None
    reason: _Text | None = None
    presentation: Id | None = None
    """Not part of the protocol; where a server names it, it must be ours."""


class Annulled(_Model):
    """Answer to `DELETE /v1/claims/{presentation}`."""

    result: Literal["annulled"]


class OpenClaim(_Model):
    """A claim whose outcome the server does not know."""

    presentation: Id
    ticket_key: Id
    list: _Text
    at: _Time


class OpenClaims(_Model):
    """Answer to `GET /v1/claims?open=1`."""

    claims: Annotated[list[OpenClaim], Field(max_length=100_000)]


class Command(_Model):
    """What the server asks of the gate. Never release, never admit."""

    do: Literal["resync", "message", "out_of_service", "in_service", "revoke"]
    lane: _Text | None = None
    text: _Text | None = None


class Beat(_Model):
    """Answer to `POST /v1/heartbeat`."""

    time: Annotated[str, Field(max_length=4096)]
    """Base64 of a statement of type `time`; scanner verifies it."""
    commands: Annotated[list[Command], Field(max_length=32)] = []
    known: KnownHead | None = None
    """Of the journal that `health` named."""


class Pong(_Model):
    """Answer to `GET /v1/ping`."""
