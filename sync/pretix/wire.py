"""What is read of pretix' answers: no more than the gate needs. Names, addresses and mail of guests
have no field here, so they end with the bytes of the answer.

Source: REST API of pretix 2026.8: devices, events, check-in lists, orders, reusable media.
"""

from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

_Id = Annotated[int, Field(ge=1, lt=2**53)]
_Slug = Annotated[str, Field(min_length=1, max_length=50, pattern=r"^[A-Za-z0-9._-]+$")]
_Text = Annotated[str, Field(max_length=4096)]


def _is_stamp(value: str) -> str:
    """Kept as it was written, and computed with later: what is none would end each later round."""
    if not 2000 <= datetime.fromisoformat(value).year <= 9000 or value[10:11] != "T":
        raise ValueError("no time of this age")
    return value


_Stamp = Annotated[
    str,
    Field(min_length=10, max_length=40, pattern=r"^[0-9T:.+Z-]+$"),
    AfterValidator(_is_stamp),
]
STAMP: TypeAdapter[str] = TypeAdapter(_Stamp)
"""A time as the server writes it, which it is asked by again."""
Row = TypeVar("Row", bound=BaseModel)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


def _is_host(value: str) -> str:
    if not value.startswith(("https://", "http://")):
        raise ValueError("not a web address")
    return value.rstrip("/")


class Handshake(_Model):
    """The set-up code of a device's page."""

    handshake_version: Annotated[int, Field(ge=1)]
    url: Annotated[str, Field(max_length=500), AfterValidator(_is_host)]
    token: Annotated[str, Field(pattern=r"^[!-~]{8,190}$", repr=False)]


class Gate(_Model):
    """Where the device stands, as the organiser arranged it."""

    id: _Id
    name: _Text = ""


class Device(_Model):
    """Answer to `device/initialize`, `update` and `roll`."""

    organizer: _Slug
    device_id: _Id
    unique_serial: Annotated[str, Field(min_length=1, max_length=190)]
    api_token: Annotated[str, Field(pattern=r"^[!-~]{8,512}$", repr=False)]
    name: _Text = ""
    security_profile: Annotated[str, Field(max_length=190)] = "full"
    gate: Gate | None = None


class DeviceInfo(_Model):
    """Answer to `device/info`."""

    device: Device


class Page(_Model, Generic[Row]):
    """One page of a list."""

    count: Annotated[int, Field(ge=0)] = 0
    next: str | None = None
    results: Annotated[list[Row], Field(max_length=1000)]


class Named(_Model):
    """`slug` of an event."""

    slug: _Slug


class Selection(_Model):
    """Answer to `device/eventselection`."""

    event: Named


class Event(_Model):
    """An event's page; the keys of its signed codes are only there."""

    slug: _Slug
    timezone: Annotated[str, Field(max_length=64)] = "UTC"
    date_from: AwareDatetime | None = None
    date_to: AwareDatetime | None = None
    date_admission: AwareDatetime | None = None
    has_subevents: bool = False
    testmode: bool = False
    valid_keys: dict[str, Annotated[list[_Text], Field(max_length=64)]] = {}


class Settings(_Model):
    """Of an event's settings, what bears on admission."""

    reusable_media_usage_enforced: bool | None = None


class SubEvent(_Model):
    """One date of a series."""

    id: _Id
    date_from: AwareDatetime | None = None
    date_to: AwareDatetime | None = None
    date_admission: AwareDatetime | None = None


class Variation(_Model):
    """One variation of an item."""

    id: _Id
    value: Any = ""
    checkin_attention: bool = False
    checkin_text: str | None = None


class Item(_Model):
    """What is sold."""

    id: _Id
    name: Any = ""
    internal_name: str | None = None
    checkin_attention: bool = False
    checkin_text: str | None = None
    variations: list[Variation] = []
    media_policy: str | None = None
    media_type: str | None = None


class Question(_Model):
    """What guests are asked; `items` are those who are."""

    id: _Id
    items: list[int] = []
    ask_during_checkin: bool = False


class CheckInListRow(_Model):
    """A check-in list with all its switches."""

    id: _Id
    name: Annotated[str, Field(max_length=190)]
    all_products: bool = True
    limit_products: list[int] = []
    subevent: int | None = None
    include_pending: bool = False
    allow_multiple_entries: bool = False
    allow_entry_after_exit: bool = True
    addon_match: bool = False
    rules: Any = None
    exit_all_at: AwareDatetime | None = None


class CheckIn(_Model):
    """A successful scan of a position, at any gate."""

    id: _Id
    datetime: AwareDatetime
    list: int
    type: Annotated[str, Field(pattern="^(entry|exit)$")] = "entry"
    device_id: int | None = None


class Redeemed(_Model):
    """Answer to a check-in, also to one that is refused."""

    class Position(_Model):
        """The ticket as it was before."""

        checkins: list[CheckIn] = []

    status: Annotated[str, Field(max_length=64)] = ""
    reason: Annotated[str, Field(max_length=64)] | None = None
    reason_explanation: _Text | None = None
    position: Position | None = None


class Answer(_Model):
    """That a question has an answer; what it says is not read."""

    question: int


class Position(_Model):
    """One ticket of an order."""

    id: _Id
    item: int
    variation: int | None = None
    subevent: int | None = None
    secret: Annotated[str, Field(min_length=1, max_length=4096, repr=False)]
    addon_to: int | None = None
    canceled: bool = False
    blocked: Any = None
    valid_from: AwareDatetime | None = None
    valid_until: AwareDatetime | None = None
    checkins: list[CheckIn] = []
    answers: list[Answer] = []


class Order(_Model):
    """An order as far as its tickets depend on it."""

    code: Annotated[str, Field(min_length=1, max_length=64, repr=False)]
    status: Annotated[str, Field(max_length=3)]
    datetime: _Stamp
    require_approval: bool = False
    valid_if_pending: bool = False
    checkin_attention: bool = False
    checkin_text: str | None = None
    positions: list[Position] = []


class RevokedSecret(_Model):
    """A code that was taken back."""

    id: int
    secret: Annotated[str, Field(min_length=1, max_length=4096, repr=False)]
    created: _Stamp


class BlockedSecret(_Model):
    """A code that is blocked, or (the same row later) no longer."""

    id: int
    secret: Annotated[str, Field(min_length=1, max_length=4096, repr=False)]
    blocked: bool
    updated: _Stamp


class Medium(_Model):
    """A reusable medium and the tickets it stands for."""

    id: int
    identifier: Annotated[str, Field(min_length=1, max_length=4096, repr=False)]
    type: Annotated[str, Field(max_length=64)]
    active: bool = True
    expires: AwareDatetime | None = None
    updated: _Stamp
    linked_orderposition: int | None = None
    linked_orderpositions: list[int] = []

    @property
    def positions(self) -> list[int]:
        """Ids of the tickets; servers before 2026 name at most one."""
        single = [] if self.linked_orderposition is None else [self.linked_orderposition]
        return self.linked_orderpositions or single


def seconds(moment: datetime | None) -> int:
    """Unix seconds of a validity limit; 0: there is none."""
    return 0 if moment is None else max(1, min(int(moment.timestamp()), 0xFFFF_FFFF))
