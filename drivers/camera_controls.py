"""Exposure, focus and gain of a USB camera, set through Video4Linux's own calls.

OpenCV's properties for them differ from version to version and do not tell what a camera lacks.
Source: Linux, include/uapi/linux/videodev2.h and v4l2-controls.h.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable, Iterator

from drivers.errors import DeviceNotFound
from drivers.protocols import Report
from drivers.uri import DriverUri
from tickets.errors import GateError

QUERYCTRL, S_CTRL = 0xC0445624, 0xC008561C
"""VIDIOC_QUERYCTRL and VIDIOC_S_CTRL, as all 64 bit machines number them."""
_QUERY = struct.Struct("=II32siiiiI8x")
"""struct v4l2_queryctrl: id, type, name, minimum, maximum, step, default, flags, reserved."""
_CONTROL = struct.Struct("=Ii")
"""struct v4l2_control: id, value."""
_DISABLED, _READ_ONLY = 0x0001, 0x0004

EXPOSURE_AUTO, EXPOSURE_ABSOLUTE, EXPOSURE_AUTO_PRIORITY = 0x009A0901, 0x009A0902, 0x009A0903
FOCUS_ABSOLUTE, FOCUS_AUTO = 0x009A090A, 0x009A090C
AUTOGAIN, GAIN, POWER_LINE_FREQUENCY = 0x00980912, 0x00980913, 0x00980918
MANUAL = 1
"""V4L2_EXPOSURE_MANUAL."""
EXPOSURE_UNIT = 10
"""Of V4L2_CID_EXPOSURE_ABSOLUTE in a millisecond: it counts in 100 µs."""

Ioctl = Callable[[int, int, bytearray], object]


class CameraControl(GateError):
    """A camera that cannot be set as its URI asks."""


def set_controls(uri: DriverUri, report: Report, ioctl: Ioctl = fcntl.ioctl) -> None:
    """Set what the URI of a ``camera:v4l2`` asks for; ``report`` gets each that cannot be set.

    Raises:
        DeviceNotFound: the device went away meanwhile.
    """
    wanted = list(_wanted(uri))
    if not wanted:
        return
    try:
        handle = os.open(uri.address, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise DeviceNotFound(
            f"The camera {uri.address} cannot be set: {error.strerror}",
            "Check its cable, and that the gate's user is in group 'video'",
        ) from error
    try:
        for option, control, value, needed in wanted:
            try:
                _set(handle, control, value, ioctl)
            except (OSError, ValueError) as error:
                if needed:
                    report(_cannot(uri, option, error))
    finally:
        os.close(handle)


def _wanted(uri: DriverUri) -> Iterator[tuple[str, int, int, bool]]:
    """(option, control, value, whether its lack is worth a word) in the order they are to be set:

    what is automatic is switched off before its value is set, else the camera refuses that.
    """
    options = uri.options
    if "mains" in options:
        yield "mains", POWER_LINE_FREQUENCY, {"50": 1, "60": 2}[uri.word("mains", "50")], True
    if "exposure" in options:
        yield "exposure", EXPOSURE_AUTO, MANUAL, False  # the next one tells
        yield "exposure", EXPOSURE_AUTO_PRIORITY, 0, False  # or it would lower the frame rate
        units = max(1, round(uri.number("exposure", 4) * EXPOSURE_UNIT))
        yield "exposure", EXPOSURE_ABSOLUTE, units, True
    if "gain" in options:
        yield "gain", AUTOGAIN, 0, False
        yield "gain", GAIN, int(uri.number("gain", 0)), True
    if "focus" in options:
        yield "focus", FOCUS_AUTO, 0, False
        yield "focus", FOCUS_ABSOLUTE, int(uri.number("focus", 0)), True


def _set(handle: int, control: int, value: int, ioctl: Ioctl) -> None:
    asked = bytearray(_QUERY.pack(control, 0, b"", 0, 0, 0, 0, 0))
    ioctl(handle, QUERYCTRL, asked)
    _, _, _, least, most, _, _, flags = _QUERY.unpack(asked)
    if flags & (_DISABLED | _READ_ONLY):
        raise ValueError("it is switched off in the camera")
    if not least <= value <= most:
        raise ValueError(f"it takes {least} to {most}, not {value}")
    ioctl(handle, S_CTRL, bytearray(_CONTROL.pack(control, value)))


def _cannot(uri: DriverUri, option: str, error: OSError | ValueError) -> CameraControl:
    why = error.strerror if isinstance(error, OSError) else str(error)
    return CameraControl(
        f"The camera {uri.address} cannot be set to {option}={uri.options[option]}: {why}",
        f"Leave '{option}' out of its URI, or see 'v4l2-ctl -d {uri.address} -L' for what it takes",
    )
