"""The provisioning file as frozen models: what one gate is and whom it trusts.

One TOML table per section. Durations are seconds. The file lies on a world-readable partition and
therefore holds no lasting secret: public keys, and a token that works once.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)

from admission.rules import Fallback, GatePolicy
from config.devices import InputUri, LightsUri, ReaderUri, TurnstileUri
from config.merge import merged
from config.rules import MOST_LANES, broken_rules, within_reach
from config.values import (
    AbsolutePath,
    EventId,
    ListenHost,
    ListName,
    Model,
    Pin,
    PretixSlug,
    RootKey,
    ServerUrl,
    Slug,
    TimeZone,
    Token,
    Within,
)

Choice = Annotated[Fallback, Field(strict=False)]
Language = Literal["de", "en", "fr", "es"]
LaneDirection = Literal["entry", "exit", "both"]
LaneMode = Literal["normal", "check", "training", "free_flow", "locked"]
Readers = Annotated[tuple[ReaderUri, ...], Field(strict=False, max_length=8)]


class GateSection(Model):
    """Which gate this is."""

    name: Slug = Field(examples=["north-1"])
    """Name of the gate, unique in the venue."""
    event: EventId = Field(examples=["FEST2026"])
    """Event whose tickets are admitted: the audience of signed tickets."""
    timezone: TimeZone = Field("UTC", examples=["Europe/Berlin"])
    """IANA name of the zone in which stewards are told times."""
    fire: InputUri | None = Field(None, examples=["input:gpio:4"])
    """Contact of the fire alarm, closed in an alarm: opens every lane, which a supervisor ends."""


class PolicySection(Model):
    """What the gate does where the facts do not decide. Durations in seconds."""

    on_unclaimed: Choice = Fallback.ADMIT
    """No authority answered in time whether the ticket is used elsewhere."""
    on_unknown_clock: Choice = Fallback.ADMIT
    """The gate does not know the time well enough to judge a validity window."""
    on_old_list: Choice = Fallback.ADMIT
    """The ticket list is older than `old_list_after`."""
    list_required: bool = True
    """Whether a signed ticket must be on the list; false: signature and revocations suffice."""
    warn_list_after: Annotated[float, Within(10.0, 604_800.0, "s")] = 900.0
    """Age of the list from which the screen warns, in seconds."""
    old_list_after: Annotated[float, Within(60.0, 31_536_000.0, "s")] = 86_400.0
    """Age of the list from which `on_old_list` applies, in seconds."""


class TrustSection(Model):
    """The organiser's root keys: whoever holds `threshold` of them says which tickets are valid."""

    root_keys: Annotated[tuple[RootKey, ...], Field(strict=False, min_length=1, max_length=16)] = (
        Field(default=(), examples=[["base64 of 32 bytes"]])
    )
    """Ed25519 public keys, base64, from 'admit keys new'. Not with kind pretix."""
    threshold: Annotated[int, Within(1, 16)] = 1
    """How many root keys must sign a key set."""


def _as_list(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Pins = Annotated[tuple[Pin, ...], BeforeValidator(_as_list), Field(strict=False, max_length=8)]


class ServerSection(Model):
    """The server that sends ticket lists and takes records."""

    kind: Literal["admit", "pretix", "file", "none"] = "admit"
    """Protocol of the server; file: a USB stick from it; none: the gate stands alone."""
    url: ServerUrl | None = Field(None, examples=["https://central.example"])
    """Address, https; plain http only on this machine."""
    token: Token | None = None
    """One-time enrolment token; not needed once the gate is enrolled."""
    directory: AbsolutePath | None = Field(None, examples=["/media/admit"])
    """Where the stick is mounted, with kind file."""
    ca_file: AbsolutePath | None = None
    """PEM file with the only certificate authority to trust; default: the system's."""
    pin: Pins = Field(default=(), examples=["sha256/BASE64"])
    """SHA-256 of the server's public key (RFC 7469), or a list for a roll-over. It alone decides,
    also of a self-signed or expired certificate; together with ca_file both must hold."""
    organizer: PretixSlug | None = Field(None, examples=["bigevents"])
    """Short form of the organizer, with kind pretix: the set-up code must be of it."""
    events: Annotated[tuple[PretixSlug, ...], Field(strict=False, max_length=16)] = Field(
        default=(), examples=[["democon"]]
    )
    """Short forms of the events, with kind pretix; none: the one pretix suggests for the device."""
    authority: Literal["admit", "pretix", "none"] = "admit"
    """Who is asked whether a ticket was used at another gate: the server itself, of whichever kind,
    unless none is written; without a network, none."""
    claim_budget: Annotated[float, Within(0.05, 1.0, "s")] = 0.4
    """Longest wait for that answer before `on_unclaimed` applies, in seconds."""

    @model_validator(mode="before")
    @classmethod
    def _alone_asks_nobody(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and data.get("kind") in ("file", "none"):
            return {"authority": "none", **data}
        if isinstance(data, Mapping) and data.get("kind") == "pretix":
            return {"authority": "pretix", **data}
        return data


class ScreenSection(Model):
    """The steward and attendee pages."""

    host: ListenHost = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Within(1, 65_535)] = 8080
    """TCP port to listen on."""
    languages: Annotated[tuple[Language, ...], Field(strict=False, min_length=1)] = (
        "de",
        "en",
        "fr",
        "es",
    )
    """Languages offered; the first is shown when a ticket names none."""
    names: Literal["none", "fragment", "full"] = "none"
    """What the steward's page shows of a guest's name beside a fresh verdict; fragment: A. Lov…"""


class ClockSection(Model):
    """Where the gate's time comes from."""

    trust_system: bool = False
    """Take the system's clock as synchronised without asking the kernel; for desks only."""
    simulated: AbsolutePath | None = None
    """File with one word that the clock obeys: normal, held, unknown, wrong; for training only."""


class LaneConfig(Model):
    """One lane of the gate: its readers and one turnstile. Durations in seconds."""

    name: Slug = Field(examples=["entry-1"])
    """Name of the lane, unique on the gate."""
    direction: LaneDirection = Field(examples=["entry"])
    """Which way people go through."""
    check_in_list: ListName = Field(examples=["main"])
    """Name of the check-in list whose tickets this lane admits."""
    readers: Annotated[Readers, Field(min_length=1)] = Field(examples=[["camera:v4l2:/dev/video0"]])
    """Readers for the lane's direction; of a two-way lane, the entry side."""
    exit_readers: Readers = ()
    """Readers on the exit side of a two-way lane."""
    turnstile: TurnstileUri = Field(examples=["turnstile:gpio:17"])
    """What is released."""
    lights: LightsUri | None = None
    """Red and green lamps."""
    passage_in: InputUri | None = None
    """Sensor: a person went in. Without one an entry counts on release."""
    passage_out: InputUri | None = None
    """Sensor: a person went out."""
    home: InputUri | None = None
    """Signal: the turnstile is back in its locked position."""
    fault: InputUri | None = None
    """Signal: the turnstile reports a fault."""
    release_for: Annotated[float, Within(0.5, 30.0, "s")] = 5.0
    """How long the turnstile stays released for one person, in seconds."""
    settle: Annotated[float, Within(0.2, 10.0, "s")] = 2.0
    """How long after locking a passage still counts, in seconds."""
    mode: LaneMode = "normal"
    """Mode of the lane after a start."""

    @property
    def two_way(self) -> bool:
        """Whether people go through in both directions."""
        return self.direction == "both"


class AdmitConfig(Model):
    """The whole file. Built from a mapping it checks every section and every rule between them."""

    gate: GateSection
    trust: TrustSection = TrustSection()
    server: ServerSection
    policy: PolicySection = PolicySection()
    screen: ScreenSection = ScreenSection()
    clock: ClockSection = ClockSection()
    lanes: tuple[LaneConfig, ...] = Field(
        alias="lane", strict=False, min_length=1, max_length=MOST_LANES
    )

    @property
    def gate_policy(self) -> GatePolicy:
        """The policy in the form `decide` takes."""
        gate = self.gate
        return GatePolicy(gate=gate.name, timezone=gate.timezone, **self.policy.model_dump())

    @model_validator(mode="wrap")
    @classmethod
    def _with_rules(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        # Rules between values are tested even where single values are wrong: one report, not two.
        broken = broken_rules(data)
        try:
            config = handler(within_reach(data))
        except ValidationError as error:
            raise merged(cls.__name__, error, broken) from None
        if broken:
            raise merged(cls.__name__, None, broken)
        return config
