"""Device addresses in the configuration: ``kind:driver:address?option=value``.

Pure: reading a URI opens nothing and imports no device library, so that a provisioning file can be
checked on any computer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import Self, TypeVar
from urllib.parse import parse_qsl, unquote

from drivers.errors import UriError
from drivers.uri_values import (
    Value,
    boolean,
    choice,
    gpio_line,
    lamp_pins,
    needed,
    nfc_line,
    none_or_name,
    number,
    one_of,
    passage,
    pins,
    serial_line,
    socket_path,
    usb_port,
    whole,
)

T = TypeVar("T")
Reader = Callable[[str], Value]
LONGEST = 1024
"""Characters of a URI; a path of Linux fits, a pasted file does not."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """What one driver takes behind its name."""

    address: Callable[[str], object]
    options: Mapping[str, Reader]
    example: str


_DECODING: dict[str, Reader] = {
    "decoder": choice("zxing", "pyzbar"),
    "rescue": boolean,
    "budget": number(1, 1000),  # milliseconds a frame may take before rescue is skipped
}
_PICTURE: dict[str, Reader] = {
    "width": whole(160, 3840),
    "height": whole(120, 2160),
    "fps": number(0.5, 120),
    "exposure": number(0.05, 1000),  # milliseconds; fixed
    "plain": boolean,  # an even ground and nothing else in view: a covered lens cannot be told
}
_HELD: dict[str, Reader] = {"hold": number(0, 10)}  # seconds a scan counts as in view
_CARDS: dict[str, Reader] = {"text": boolean}  # whether codes in text records count
_LINE: dict[str, Reader] = {"active": choice("low", "high")}

SCHEMES: Mapping[str, Scheme] = MappingProxyType(
    {
        "camera:files": Scheme(
            needed("a directory of pictures or a video file"),
            _DECODING | {"hold": number(0, 60), "blank": number(0, 60), "fps": number(0.5, 120)},
            "camera:files:/var/lib/admit/pictures?hold=1.0",
        ),
        "camera:sim": Scheme(
            socket_path,
            _DECODING | {"fps": number(0.5, 120)},
            "camera:sim:/run/admit/visitor.sock",
        ),
        "camera:v4l2": Scheme(
            needed("a video device"),
            _DECODING
            | _PICTURE
            | {
                "format": choice("mjpg", "yuyv"),
                "focus": whole(0, 65_535),  # as the camera counts; fixed
                "gain": whole(0, 65_535),  # as the camera counts
                "mains": choice("50", "60"),  # hertz of the lamps
            },
            "camera:v4l2:/dev/video0?exposure=4&focus=30",
        ),
        "camera:rpicam": Scheme(
            whole(0, 3),
            _DECODING
            | _PICTURE
            | {
                "focus": number(0, 32),  # dioptres: 1 / metres; fixed
                "gain": number(1, 64),
            },
            "camera:rpicam:0?exposure=4&focus=6.7",
        ),
        "nfc:usb": Scheme(usb_port, _CARDS, "nfc:usb:1-1.3"),
        "nfc:tty": Scheme(
            nfc_line,
            _CARDS | {"speed": one_of(115_200, 230_400, 460_800, 921_600), "reset": gpio_line},
            "nfc:tty:AMA0:pn532?speed=921600",
        ),
        "nfc:sim": Scheme(socket_path, _CARDS, "nfc:sim:/run/admit/visitor-nfc.sock"),
        "wedge:serial": Scheme(
            serial_line,
            _HELD
            | {
                "speed": whole(300, 921_600),
                "parity": choice("none", "even", "odd"),
                "gap": number(5, 1000),  # milliseconds of silence that end a code
            },
            "wedge:serial:ttyACM0?speed=9600",
        ),
        "wedge:hid": Scheme(
            needed("a part of the scanner's name, or its port"),
            _HELD | {"layout": choice("us", "de", "fr")},
            "wedge:hid:Honeywell?layout=us",
        ),
        "turnstile:gpio": Scheme(
            lambda text: pins(text, most=2),
            _LINE | {"mode": choice("pulse", "hold"), "ms": whole(20, 10_000)},
            "turnstile:gpio:17?mode=pulse&ms=500&active=low",
        ),
        "turnstile:sim": Scheme(
            none_or_name,
            {
                "passage": passage,
                "after": number(0, 60),
                "home": number(0, 10),
                "tell": socket_path,
            },
            "turnstile:sim?passage=0.4",
        ),
        "lights:gpio": Scheme(lamp_pins, _LINE, "lights:gpio:green=5,red=6"),
        "lights:sim": Scheme(none_or_name, {"tell": socket_path}, "lights:sim"),
        "input:gpio": Scheme(
            lambda text: pins(text, most=1),
            _LINE | {"pull": choice("up", "down", "none"), "bounce": number(0, 1000)},
            "input:gpio:27?pull=up&active=low&bounce=20",
        ),
        "input:file": Scheme(
            needed("the file whose presence is the contact"), {}, "input:file:/run/admit/fire"
        ),
        "input:sim": Scheme(none_or_name, {}, "input:sim"),
    }
)


@dataclass(frozen=True, slots=True)
class DriverUri:
    """One device as the configuration names it; every part is checked.

    ``options`` holds only what was written, already read into numbers and booleans.
    """

    text: str
    kind: str
    driver: str
    address: str
    options: Mapping[str, Value] = field(hash=False)

    @property
    def scheme(self) -> str:
        """Kind and driver, the key of the registry: ``turnstile:gpio``."""
        return f"{self.kind}:{self.driver}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a device URI.

        Raises:
            UriError: unknown driver, bad address, unknown or bad option; says what was meant.
        """
        if len(text) > LONGEST or not text.isprintable():
            raise UriError(
                "The device URI is too long or holds control characters", "Write it anew"
            )
        body, _, query = text.partition("?")
        kind, _, rest = body.partition(":")
        driver, _, address = rest.partition(":")
        scheme = _scheme(f"{kind}:{driver}", text)
        address = unquote(address)
        _checked(text, "address", scheme, scheme.address, address)
        options = _options(text, scheme, query)
        return cls(text, kind, driver, address, MappingProxyType(options))

    def __str__(self) -> str:
        return self.text

    def number(self, name: str, default: float) -> float:
        """The option as a number, or ``default`` where it was not written."""
        return float(self.options.get(name, default))

    def word(self, name: str, default: str) -> str:
        """The option as text, or ``default`` where it was not written."""
        return str(self.options.get(name, default))

    def flag(self, name: str, default: bool) -> bool:
        """The option as a boolean, or ``default`` where it was not written."""
        return bool(self.options.get(name, default))


def _scheme(name: str, text: str) -> Scheme:
    if name in SCHEMES:
        return SCHEMES[name]
    close = get_close_matches(name, SCHEMES, n=1, cutoff=0.5)
    hint = f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(SCHEMES)}"
    raise UriError(f"'{text[:80]}' names no driver of this gate", hint)


def _options(text: str, scheme: Scheme, query: str) -> dict[str, Value]:
    options: dict[str, Value] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        reader = scheme.options.get(name)
        if reader is None:
            raise UriError(f"'{text}' has an unknown option '{name}'", _meant(name, scheme))
        if name in options:
            raise UriError(f"'{text}' gives option '{name}' twice", "Keep one of the two")
        options[name] = _checked(text, f"option '{name}'", scheme, reader, value)
    return options


def _meant(name: str, scheme: Scheme) -> str:
    close = get_close_matches(name, scheme.options, n=1)
    if close:
        return f"Did you mean '{close[0]}'?"
    return f"It takes: {', '.join(scheme.options)}" if scheme.options else "It takes no option"


def _checked(text: str, part: str, scheme: Scheme, read: Callable[[str], T], value: str) -> T:
    try:
        return read(value)
    except ValueError as error:
        raise UriError(f"'{text}': {part} {error}", f"Write it as in {scheme.example}") from error
