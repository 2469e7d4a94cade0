"""What a pretix server says: its answers, its lists' rules, the set-up code of a device."""

from contextlib import suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ValidationError

from admission.direction import Direction
from admission.history import Use
from admission.pretix_rules import read_rules
from admission.pretix_situation import Dates, Situation
from sync.pretix import wire
from sync.pretix.enrolment import read_handshake
from sync.pretix.errors import HandshakeUnreadable

ROWS: tuple[type[BaseModel], ...] = (
    *(wire.Event, wire.Item, wire.SubEvent, wire.Question, wire.CheckInListRow, wire.Order),
    *(wire.RevokedSecret, wire.BlockedSecret, wire.Medium),
)
ALONE: tuple[type[BaseModel], ...] = (wire.Device, wire.DeviceInfo, wire.Selection, wire.Settings)
MODELS = (*(wire.Page[row] for row in ROWS), *ROWS, *ALONE)  # type: ignore[valid-type]

SITUATION = Situation(
    now=datetime(2026, 11, 22, 18, tzinfo=UTC),
    zone=ZoneInfo("Asia/Tokyo"),
    dates=Dates(1_795_300_000, 1_795_320_000, 1_795_290_000),
    product=7,
    uses=(Use(bytes(16), Direction.ENTRY, "main", 1_795_000_000.0, "north"),),
)


def pretix_answer(data: bytes) -> None:
    """An answer, to each question that it could answer."""
    for model in MODELS:
        with suppress(ValidationError):
            assert repr(model.model_validate_json(data))


def pretix_rules(data: bytes) -> None:
    """Rules of a check-in list: whatever they are, they admit or say why not."""
    rules = read_rules(data.decode("utf-8", "replace"))
    if rules is not None:
        refusal = rules.refusal(SITUATION)
        assert refusal is None or len(refusal) <= 120


def pretix_handshake(data: bytes) -> None:
    """A code before the camera of a gate that waits for its set-up."""
    with suppress(HandshakeUnreadable):
        assert read_handshake(data).url.startswith("http")


TARGETS = {
    "pretix_answer": pretix_answer,
    "pretix_rules": pretix_rules,
    "pretix_handshake": pretix_handshake,
}
