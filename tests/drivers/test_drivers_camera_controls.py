"""Fixed exposure, focus and gain of a USB camera. The kernel's far end is played here."""

import errno
import os
import struct

import pytest

from drivers.camera_controls import (
    AUTOGAIN,
    EXPOSURE_ABSOLUTE,
    EXPOSURE_AUTO,
    EXPOSURE_AUTO_PRIORITY,
    FOCUS_ABSOLUTE,
    FOCUS_AUTO,
    GAIN,
    POWER_LINE_FREQUENCY,
    QUERYCTRL,
    S_CTRL,
    set_controls,
)
from drivers.errors import DeviceNotFound
from drivers.uri import DriverUri

ALL = {
    "EXPOSURE_AUTO": (0, 3, 0),
    "EXPOSURE_AUTO_PRIORITY": (0, 1, 0),
    "EXPOSURE_ABSOLUTE": (3, 2047, 0),
    "AUTOGAIN": (0, 1, 0),
    "GAIN": (0, 255, 0),
    "FOCUS_AUTO": (0, 1, 0),
    "FOCUS_ABSOLUTE": (0, 250, 0),
    "POWER_LINE_FREQUENCY": (0, 2, 0),
}


class Camera:
    """The kernel's answers for a camera that has ``controls``: number -> (least, most, flags)."""

    def __init__(self, **changes):
        self.controls = {globals()[name]: limits for name, limits in (ALL | changes).items()}
        self.was_set = []

    def ioctl(self, handle, request, argument):
        os.fstat(handle)  # a real, open handle
        if request == QUERYCTRL:
            assert len(argument) == 68  # the size that the request's number carries
            (control,) = struct.unpack_from("=I", argument)
            if self.controls.get(control) is None:
                raise OSError(errno.EINVAL, "Invalid argument")
            least, most, flags = self.controls[control]
            struct.pack_into("=iiiiI", argument, 40, least, most, 1, least, flags)
        else:
            assert (request, len(argument)) == (S_CTRL, 8)
            self.was_set.append(struct.unpack("=Ii", argument))
        return 0


def said_by(camera, tmp_path, options):
    device, said = tmp_path / "video0", []
    device.touch()
    set_controls(DriverUri.parse(f"camera:v4l2:{device}?{options}"), said.append, camera.ioctl)
    return said


def test_what_is_automatic_is_switched_off_before_its_value_is_set(tmp_path):
    camera = Camera()
    assert said_by(camera, tmp_path, "exposure=4&focus=30&gain=64&mains=60") == []
    assert camera.was_set == [
        (POWER_LINE_FREQUENCY, 2),
        (EXPOSURE_AUTO, 1),
        (EXPOSURE_AUTO_PRIORITY, 0),
        (EXPOSURE_ABSOLUTE, 40),  # it counts in 100 µs
        (AUTOGAIN, 0),
        (GAIN, 64),
        (FOCUS_AUTO, 0),
        (FOCUS_ABSOLUTE, 30),
    ]


def test_camera_is_left_as_it_is_without_options(tmp_path):
    set_controls(DriverUri.parse("camera:v4l2:/nowhere"), pytest.fail, pytest.fail)


@pytest.mark.parametrize(
    ("case", "camera", "options", "cause"),
    [
        ("no such control", Camera(FOCUS_ABSOLUTE=None), "focus=30", "focus=30: Invalid argument"),
        ("out of range", Camera(), "focus=300", "it takes 0 to 250, not 300"),
        ("too short", Camera(), "exposure=0.1", "it takes 3 to 2047, not 1"),
        ("switched off", Camera(GAIN=(0, 255, 1)), "gain=9", "switched off"),
    ],
)
def test_what_a_camera_lacks_is_told_once_and_the_rest_is_set(
    tmp_path, case, camera, options, cause
):
    (error,) = said_by(camera, tmp_path, options + "&mains=50")
    assert cause in error.cause, case
    assert "v4l2-ctl" in error.remedy
    assert (POWER_LINE_FREQUENCY, 1) in camera.was_set


def test_camera_without_automatics_is_set_without_a_word(tmp_path):
    camera = Camera(EXPOSURE_AUTO=None, EXPOSURE_AUTO_PRIORITY=None)
    assert said_by(camera, tmp_path, "exposure=4") == []
    assert camera.was_set == [(EXPOSURE_ABSOLUTE, 40)]


def test_camera_that_went_away_meanwhile_is_a_named_fault(tmp_path):
    uri = DriverUri.parse(f"camera:v4l2:{tmp_path}/gone?exposure=4")
    with pytest.raises(DeviceNotFound, match="gone"):
        set_controls(uri, pytest.fail)


def test_file_that_is_no_camera_is_told_by_the_real_kernel(tmp_path):
    (tmp_path / "video0").touch()
    said = []
    set_controls(DriverUri.parse(f"camera:v4l2:{tmp_path}/video0?focus=3"), said.append)
    assert "Inappropriate ioctl" in said[0].cause
