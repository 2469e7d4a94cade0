"""One registry of device drivers: a URI names one, its module is imported when it is opened.

Names, not classes: the lane process imports this without numpy, a laptop without GPIO libraries.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, cast

from drivers.errors import DriverMissing, UriError
from drivers.protocols import Camera, Input, Lights, Report, Turnstile
from drivers.scheduler import Scheduler
from drivers.uri import SCHEMES, DriverUri

DRIVERS = {
    "camera:files": "drivers.camera_files:open_files",
    "camera:sim": "drivers.camera_sim:SimulatedCamera.open",
    "camera:v4l2": "drivers.camera_v4l2:V4l2Camera.open",
    "camera:rpicam": "drivers.camera_rpicam:RpicamCamera.open",
    "nfc:usb": "drivers.nfc_open:UsbPort.of",
    "nfc:tty": "drivers.nfc_open:TtyPort.of",
    "nfc:sim": "drivers.nfc_open:SimPort.of",
    "wedge:serial": "drivers.wedge_serial:SerialWedge.open",
    "wedge:hid": "drivers.wedge_hid:HidWedge.open",
    "turnstile:gpio": "drivers.gpio:GpioTurnstile.open",
    "turnstile:sim": "drivers.sim:SimulatedTurnstile.open",
    "lights:gpio": "drivers.gpio:GpioLights.open",
    "lights:sim": "drivers.sim:SimulatedLights.open",
    "input:gpio": "drivers.gpio:GpioInput.open",
    "input:file": "drivers.input_file:FileInput.open",
    "input:sim": "drivers.sim:SimulatedInput.open",
}
assert DRIVERS.keys() == SCHEMES.keys()


def open_turnstile(uri: DriverUri, scheduler: Scheduler) -> Turnstile:
    """Open a turnstile, locked. ``scheduler`` times its pulses. Raises GateError."""
    return cast(Turnstile, _opener(uri, "turnstile")(uri, scheduler))


def open_lights(uri: DriverUri) -> Lights:
    """Open the lights of a lane, dark. Raises GateError."""
    return cast(Lights, _opener(uri, "lights")(uri))


def open_input(uri: DriverUri) -> Input:
    """Open one contact. Raises GateError."""
    return cast(Input, _opener(uri, "input")(uri))


def open_camera(uri: DriverUri, report: Report) -> Camera:
    """Open a camera; ``report`` gets faults that do not end it. Raises GateError."""
    return cast(Camera, _opener(uri, "camera")(uri, report))


def open_wedge(uri: DriverUri, report: Report) -> Any:
    """Open a hand scanner; ``report`` gets what does not end it. Raises GateError."""
    return _opener(uri, "wedge")(uri, report)


def nfc_port(uri: DriverUri) -> Any:
    """The place of an NFC reader, which opens and reopens it. Raises GateError."""
    return _opener(uri, "nfc")(uri)


def _opener(uri: DriverUri, kind: str) -> Callable[..., Any]:
    if uri.kind != kind:
        raise UriError(f"'{uri}' is no {kind}", f"Put a URI that starts with '{kind}:' there")
    module, _, path = DRIVERS[uri.scheme].partition(":")
    try:
        found: Any = import_module(module)
    except ImportError as error:
        raise DriverMissing(
            f"The library behind '{uri.scheme}' cannot be loaded: {error}",
            "Install Admit with all its dependencies on this machine",
        ) from error
    for name in path.split("."):
        found = getattr(found, name)
    return cast(Callable[..., Any], found)
