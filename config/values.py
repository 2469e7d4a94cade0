"""The value types of the provisioning file: each turns text into a value or says what is wrong.

A validator here never raises anything but pydantic's own error types, and its custom errors carry
`cause` and `remedy` in their context, from which `config.problems` writes the report.
"""

import base64
import binascii
import ipaddress
import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from nacl.bindings import crypto_core_ed25519_is_valid_point
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from tickets.secret import Secret


class Model(BaseModel):
    """Base of every section: frozen, unknown keys are errors, no conversions between types."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )


def fault(cause: str, remedy: str) -> PydanticCustomError:
    """The error of a value that has the right type and is still wrong."""
    return PydanticCustomError("admit", "{cause}", {"cause": cause, "remedy": remedy})


@dataclass(frozen=True, slots=True)
class Within:
    """A number from `low` to `high`, both allowed; `unit` is what the report calls it."""

    low: float
    high: float
    unit: str = ""

    def check(self, value: float) -> float:
        """Return `value`, or raise when it is outside (NaN is)."""
        if self.low <= value <= self.high:
            return value
        unit = f" {self.unit}" if self.unit else ""
        span = f"{self.low}..{self.high}{unit}"
        raise fault(f"{value}{unit} is outside {span}", f"Choose a value in {span}")

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, slots=True)
class Form:
    """Text that matches `pattern` as a whole; `rule` says the pattern in words."""

    pattern: str
    rule: str

    def check(self, value: str) -> str:
        """Return `value`, or raise when it does not match."""
        if re.fullmatch(self.pattern, value):
            return value
        raise fault(f"{shorten(value)} is not {self.rule}", f"Write {self.rule}")

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), "pattern": f"^(?:{self.pattern})$"}


def shorten(value: object, width: int = 40) -> str:
    """`value` as a quoted, printable excerpt of at most `width` characters."""
    text = repr(value)
    return text if len(text) <= width else f"{text[: width - 4]}...{text[-1]}"


def _secret(value: object) -> Secret:
    if isinstance(value, Secret):
        return value
    if isinstance(value, str) and re.fullmatch(r"[!-~]{8,512}", value):
        return Secret(value)
    # The value is not quoted: it may be a good token with a slip in it.
    raise fault("not a token", "Copy the one-time token: 8 to 512 printable characters, no spaces")


def _pin(value: object) -> bytes:
    remedy = "Write sha256/ and the base64 of the key's SHA-256; 'admit doctor' shows a server's"
    if isinstance(value, bytes) and len(value) == 32:
        return value
    if not isinstance(value, str) or not value.startswith("sha256/"):
        raise fault("not a pin such as sha256/BASE64", remedy)
    try:
        digest = base64.b64decode(value.removeprefix("sha256/"), validate=True)
    except (binascii.Error, ValueError):
        raise fault(f"{shorten(value)} is not base64 behind sha256/", remedy) from None
    if len(digest) != 32:
        raise fault(f"a pin of {len(digest)} bytes; SHA-256 has 32", remedy)
    return digest


def _pin_text(pin: bytes) -> str:
    return f"sha256/{_base64(pin)}"


def _root_key(value: object) -> bytes:
    remedy = "Copy the public key that 'admit keys new' printed: 44 characters, ending in '='"
    if isinstance(value, bytes):
        key = value
    elif isinstance(value, str):
        try:
            key = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise fault(f"{shorten(value)} is not base64", remedy) from None
    else:
        raise fault("not text", remedy)
    if len(key) != 32:
        raise fault(f"a key of {len(key)} bytes; an Ed25519 public key has 32", remedy)
    # Points of small order verify signatures that nobody made (RFC 8032, section 8.9).
    if not crypto_core_ed25519_is_valid_point(key):
        raise fault("not an Ed25519 public key", remedy)
    return key


def is_loopback(host: str) -> bool:
    """Whether `host` (a name or an address literal) stays on this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _server_url(value: str) -> str:
    remedy = "Write the server's address as https://HOST or https://HOST:PORT/PATH"
    shown = shorten(value)
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise fault(f"{shown} is not a URL: {error}", remedy) from None
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise fault(f"{shown} is not an https URL", remedy)
    if not re.fullmatch(r"[!-~]+", value):
        raise fault(f"{shown} has spaces or characters outside ASCII", remedy)
    if parts.username is not None or parts.query or parts.fragment or "\\" in value:
        raise fault("the URL carries more than scheme, host, port and path", remedy)
    if parts.scheme == "http" and not is_loopback(host):
        raise fault(
            f"plain http to {shorten(host)} would show every ticket to the network",
            "Use https://; http:// is for this machine's own addresses only",
        )
    return value.rstrip("/")


def _listen_host(value: str) -> str:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        if value != "localhost":
            raise fault(
                f"{shorten(value)} is not an address of this machine",
                'Write "127.0.0.1", or "0.0.0.0" to serve stewards\' tablets too',
            ) from None
    return value


def _absolute(value: object) -> Path:
    if isinstance(value, (str, Path)) and Path(value).is_absolute():
        return Path(value)
    raise fault(f"{shorten(value)} is not an absolute path", "Start the path with '/'")


def _timezone(value: str) -> str:
    if value == "UTC":  # known without any database
        return value
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        close = get_close_matches(value, available_timezones(), 1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        raise fault(
            f"{shorten(value)} is no time zone that this system knows{hint}",
            'Write "Area/City" as in "Europe/Berlin"; if it is right, install the package tzdata',
        ) from None
    return value


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


SLUG = Form(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?", "1 to 32 of a-z, 0-9 and '-' between them")
"""The rule of names of gates and lanes, for the server that makes a gate's token too."""
Slug = Annotated[str, SLUG]
PretixSlug = Annotated[
    str,
    Form(r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}", "the short form in its address: 1 to 50 of a-z, 0-9"),
]
EventId = Annotated[str, Form(r"[!-~]{1,12}", "1 to 12 printable ASCII characters, no spaces")]
ListName = Annotated[str, Form(r"\S(?:[^\x00-\x1f\x7f]{0,62}\S)?", "a name of 1 to 64 characters")]
RootKey = Annotated[
    bytes,
    PlainValidator(_root_key),
    PlainSerializer(_base64, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9+/]{43}=$"}),
]
Pin = Annotated[
    bytes,
    PlainValidator(_pin),
    PlainSerializer(_pin_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^sha256/[A-Za-z0-9+/]{43}=$"}),
]
"""SHA-256 of a server's SubjectPublicKeyInfo, written as RFC 7469 does."""
Token = Annotated[
    Secret,
    PlainValidator(_secret),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^[!-~]{8,512}$", "writeOnly": True}),
]
TimeZone = Annotated[str, AfterValidator(_timezone)]
ServerUrl = Annotated[str, AfterValidator(_server_url), Field(json_schema_extra={"format": "uri"})]
ListenHost = Annotated[str, AfterValidator(_listen_host)]
AbsolutePath = Annotated[
    Path, PlainValidator(_absolute), WithJsonSchema({"type": "string", "pattern": "^/"})
]
