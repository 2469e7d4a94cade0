"""What may stand in a device URI: numbers in a range, words of a list, GPIO lines.

Each reader takes the text and returns the value, or raises ValueError with a phrase that completes
"option 'ms' ...".
"""

import math
import re
from collections.abc import Callable

from drivers.errors import UriError
from drivers.person import Person
from drivers.protocols import Lamp

Value = str | float | int | bool
LINES = range(28)
"""GPIO lines on the 40-pin header, as the Broadcom chip numbers them: GPIO0 to GPIO27."""


def number(least: float, most: float) -> Callable[[str], float]:
    """Read a number in ``least..most``."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:  # also refuses nan
            raise ValueError(f"must be a number from {least:g} to {most:g}, not '{text}'")
        return value

    return read


def whole(least: int, most: int) -> Callable[[str], int]:
    """Read a whole number in ``least..most``."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise ValueError(f"must be a whole number from {least} to {most}, not '{text}'")
        if not least <= int(text) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}, not '{text}'")
        return int(text)

    return read


def one_of(*values: int) -> Callable[[str], int]:
    """Read one of some whole numbers."""

    def read(text: str) -> int:
        if text not in map(str, values):
            raise ValueError(f"must be one of {', '.join(map(str, values))}, not '{text}'")
        return int(text)

    return read


def gpio_line(text: str) -> int:
    """Read one GPIO line."""
    return _line(text)


def usb_port(text: str) -> str:
    """Read a USB port as the kernel names it: ``1-1.3``."""
    if not re.fullmatch(r"\d{1,3}-\d{1,3}(\.\d{1,3}){0,6}", text):
        raise ValueError(f"must be a USB port such as 1-1.3 (see `lsusb -t`), not '{text}'")
    return text


def nfc_line(text: str) -> str:
    """Read a serial line and the chip on it: ``AMA0:pn532``, ``gatenfc1:pn532``, a whole path."""
    name, _, chip = text.rpartition(":")
    if chip != "pn532":
        raise ValueError(f"must end with the chip, ':pn532', not '{text}'")
    if not re.fullmatch(r"/dev/[\w./:-]+|[A-Za-z0-9-]+", name) or ".." in name:
        raise ValueError(f"must name a serial line such as AMA0 or USB0, not '{name}'")
    return text


def choice(*words: str) -> Callable[[str], str]:
    """Read one of ``words``."""

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"must be {' or '.join(words)}, not '{text}'")
        return text

    return read


def boolean(text: str) -> bool:
    """Read ``on`` or ``off``."""
    return choice("on", "off")(text) == "on"


def needed(what: str) -> Callable[[str], str]:
    """Read any text but none."""

    def read(text: str) -> str:
        if not text:
            raise ValueError(f"is missing: it names {what}")
        return text

    return read


LONGEST_SOCKET = 107
"""Bytes of the path of a Unix socket. Source: unix(7), sun_path."""


def socket_path(text: str) -> str:
    """Read the absolute path of a Unix socket."""
    if not text.startswith("/"):
        raise ValueError(f"must be the absolute path of a socket, not '{text}'")
    if len(text.encode()) > LONGEST_SOCKET:
        raise ValueError(f"is a path longer than {LONGEST_SOCKET} bytes, which no socket can have")
    return text


def serial_line(text: str) -> str:
    """Read a serial line: ``ttyACM0``, or a path such as ``/dev/serial/by-id/…``."""
    parts = text.removeprefix("/dev/").split("/")
    if not all(parts) or ".." in parts or (len(parts) > 1 and not text.startswith("/dev/")):
        raise ValueError(f"must be a name in /dev or a path below it, not '{text}'")
    return text


def none_or_name(text: str) -> str:
    """Read the free name of a simulated device; may be left out."""
    if text and not text.replace("-", "").replace("_", "").isalnum():
        raise ValueError(f"must be a plain name, not '{text}'")
    return text


def passage(text: str) -> str:
    """Read what the person at a simulated turnstile does; `drivers.person` takes it from there."""
    try:
        Person.parse(text)
    except UriError as error:
        raise ValueError(f"must be seconds, never, late, forced or stuck, not '{text}'") from error
    return text


def pins(text: str, most: int) -> tuple[int, ...]:
    """Read one to ``most`` different GPIO lines: ``17`` or ``17,18``."""
    parts = text.split(",")
    if len(parts) > most:
        raise ValueError(f"takes at most {most} GPIO line(s), not '{text}'")
    lines = tuple(_line(part) for part in parts)
    if len(set(lines)) < len(lines):
        raise ValueError(f"names a GPIO line twice: '{text}'")
    return lines


def lamp_pins(text: str) -> dict[Lamp, int]:
    """Read which GPIO line drives which lamp: ``green=5,red=6``."""
    lamps: dict[Lamp, int] = {}
    for part in text.split(","):
        name, _, line = part.partition("=")
        if name not in WIRED:
            raise ValueError(f"must name lamps out of {', '.join(WIRED)}, not '{name}'")
        if Lamp(name) in lamps:
            raise ValueError(f"names the lamp '{name}' twice")
        lamps[Lamp(name)] = _line(line)
    if len(set(lamps.values())) < len(lamps):
        raise ValueError("gives two lamps the same GPIO line")
    return lamps


WIRED = tuple(lamp.value for lamp in Lamp if lamp is not Lamp.OFF)


def _line(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 3 and int(text) in LINES):
        raise ValueError(f"must be a GPIO line from 0 to {LINES[-1]}, not '{text}'")
    return int(text)
