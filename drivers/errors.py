"""The named faults of devices. Each says cause and remedy; the screen shows both."""

from tickets.errors import GateError


class UriError(GateError):
    """A device URI that names no driver, or gives it an address or option it does not take."""


class DeviceNotFound(GateError):
    """A device that is not there, or that this process may not open."""


class DeviceLost(GateError):
    """A device that was open and stopped answering."""


class ReaderHung(DeviceLost):
    """A device whose library does not return: only a new process helps."""


class DeviceClosed(GateError):
    """A device asked to act after it was closed: a fault of ours, never of the device."""


class FrameError(GateError):
    """An image array of a shape or type that is no frame."""


class PictureError(GateError):
    """A picture file that is empty, cut short, too large, or no picture."""


class DecoderMissing(GateError):
    """A decoder chosen by name whose library is not installed."""


class PayloadTooLong(GateError):
    """A decoded payload that no real symbol can hold."""


class DriverMissing(GateError):
    """A driver whose library cannot be loaded on this machine."""
