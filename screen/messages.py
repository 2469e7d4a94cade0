"""What the gate program tells the screen, read strictly (docs/ipc.md, `events.sock`).

Unknown keys are ignored, so that an older screen follows a newer gate program. Text is cut and
cleaned of control and direction characters: it is shown, never interpreted.
"""

import math
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from screen.errors import MessageMalformed

LONGEST_MESSAGE = 65_536
"""Bytes; docs/ipc.md."""
LONGEST_TEXT = 400
"""Characters kept of one text."""


def _clean(value: object) -> object:
    if value is None:
        return ""
    if not isinstance(value, str):
        return value
    # Right-to-left overrides and the like could make a refusal read as its opposite.
    return "".join(sign if sign.isprintable() else " " for sign in value[:LONGEST_TEXT])


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _phrase(value: object) -> object:
    """A conflict as one line, whatever its shape."""
    if isinstance(value, dict):
        return _clean(", ".join(f"{name} {told}" for name, told in list(value.items())[:12]))
    return _clean(value)


Text = Annotated[str, BeforeValidator(_clean)]
Phrase = Annotated[str, BeforeValidator(_phrase)]
_Bounded = Annotated[float, Field(ge=-1e12, le=1e12)]
Seconds = Annotated[_Bounded | None, BeforeValidator(_finite)]
Count = Annotated[int, Field(ge=0, le=2**53)]


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Event(_Told):
    """One thing that happened at the gate. `at` in Unix seconds; absent facts are empty."""

    seq: Count
    kind: Text
    boot: Text = ""
    at: Seconds = None
    lane: Text = ""
    state: Text = ""
    mode: Text = ""
    presentation: Text = ""
    verdict: Text = ""
    reason: Text = ""
    detail: Text = ""
    attention: Text = ""
    next_step: Text = ""
    claim: Text = ""
    direction: Text = ""
    medium: Text = ""
    ticket: Text = ""
    name: Text = ""
    cause: Text = ""
    remedy: Text = ""

    @property
    def admitted(self) -> bool:
        """Whether this is a verdict that admits."""
        return self.verdict == "admitted"


class ReaderTold(_Told):
    """One reader of a lane."""

    uri: Text = ""
    state: Text = ""


class Question(_Told):
    """An admission of which only the steward knows whether a person went through."""

    presentation: Text
    at: Seconds = None


class LaneTold(_Told):
    """One lane; `rate` in passages of the last 10 minutes."""

    name: Text
    direction: Text = "entry"
    state: Text = ""
    mode: Text = "normal"
    list: Text = ""
    sensor: Text = ""
    readers: tuple[ReaderTold, ...] = ()
    entered: Count = 0
    left: Count = 0
    refused: Count = 0
    rate: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    question: Question | None = None


class ClockTold(_Told):
    """How far the gate trusts its clock; uncertainty in seconds, None: unbounded."""

    state: Text = "unknown"
    uncertainty: Seconds = None


class ListTold(_Told):
    """The gate's own copy of the ticket list; age in seconds."""

    serial: Count | None = None
    rows: Count | None = None
    age: Seconds = None
    state: Text = ""


class AuthorityTold(_Told):
    """Whether the place that knows other gates' entries answers."""

    state: Text = "none"
    since: Seconds = None


class ServerTold(_Told):
    """The exchange with the server."""

    online: bool = False
    last_contact: Seconds = None
    waiting: Count = 0
    parked: Count = 0
    conflicts: tuple[Phrase, ...] = ()


class FaultTold(_Told):
    """A fault that stands, with what to do about it."""

    name: Text = ""
    where: Text = ""
    cause: Text = ""
    remedy: Text = ""
    since: Seconds = None


class Status(_Told):
    """The whole gate at one moment; also the content of `status.json`."""

    lanes: tuple[LaneTold, ...]
    gate: Text = ""
    event: Text = ""
    at: Seconds = None
    boot: Text = ""
    ready: bool = False
    events: Count | None = None
    """Number of the newest event; None: a gate program that does not say."""
    clock: ClockTold = ClockTold()
    list: ListTold = ListTold()
    authority: AuthorityTold = AuthorityTold()
    server: ServerTold = ServerTold()
    faults: tuple[FaultTold, ...] = ()


class Guest(_Told):
    """Who shows a ticket right now: told once, for the steward's page alone."""

    presentation: Text
    name: Text = Field(repr=False)
    lane: Text = ""


Told = TypeVar("Told", bound=_Told)
REMEDY = "Install the same version of Admit for every part of the gate"


class _Message(_Told):
    event: Event | None = None
    status: Status | None = None
    guest: Guest | None = None


def read_message(data: bytes) -> Event | Status | Guest | None:
    """Read one message of `events.sock`; None for a message of a kind this screen does not know.

    Raises:
        MessageMalformed: longer than 64 KiB, not JSON, or a field of another type.
    """
    message = _read(_Message, data)
    return message.event or message.status or message.guest


def read_status(data: bytes) -> Status:
    """Read the content of `status.json`.

    Raises:
        MessageMalformed: longer than 64 KiB, not JSON, or a field of another type.
    """
    return _read(Status, data)


def _read(kind: type[Told], data: bytes) -> Told:
    if len(data) > LONGEST_MESSAGE:
        raise MessageMalformed("The gate program sent a message over 64 KiB", REMEDY)
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "message"
        raise MessageMalformed(
            f"The gate program's message is not understood: {where}: {first['msg']}", REMEDY
        ) from error
