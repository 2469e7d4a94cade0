"""Real cameras, with their far end played: a program in rpicam-vid's place, a scripted V4L2."""

import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from qr_pictures import TICKET, frame, pixels

from drivers import camera_rpicam, camera_v4l2
from drivers.camera_rpicam import RpicamCamera
from drivers.camera_v4l2 import MISSES, V4l2Camera
from drivers.decoders import zxing
from drivers.errors import DeviceLost, DeviceNotFound
from drivers.uri import DriverUri

RPICAM = DriverUri.parse("camera:rpicam:0?width=640&height=480&fps=10")
V4L2 = DriverUri.parse("camera:v4l2:/dev/video0")


def ignore(error):
    raise AssertionError(error)


def yuv(view):
    """A frame as ``--codec yuv420`` writes it: the Y plane, then U and V at a quarter each."""
    height, width = view.shape
    return view.tobytes() + bytes([128]) * (height * width // 2)


@pytest.fixture
def rpicam(tmp_path, monkeypatch):
    """Put a program named rpicam-vid first on PATH; ``body`` is its Python."""

    def install(body):
        view = np.full((480, 640), 200, np.uint8)
        symbol = pixels(scale=4)
        view[9 : 9 + symbol.shape[0], 9 : 9 + symbol.shape[1]] = symbol
        (tmp_path / "frame.yuv").write_bytes(yuv(view))
        program = tmp_path / "rpicam-vid"
        program.write_text(
            f"#!{sys.executable} -IS\nimport os, sys, time\n"
            f"frame = open({str(tmp_path / 'frame.yuv')!r}, 'rb').read()\n"
            f"open({str(tmp_path / 'arguments')!r}, 'w').write(' '.join(sys.argv[1:]))\n"
            f"out = sys.stdout.buffer\n{body}\n"
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        return RpicamCamera.open(RPICAM, ignore)

    return install


def test_y_plane_is_the_grey_frame(rpicam, tmp_path):
    camera = rpicam("while True: out.write(frame); out.flush(); time.sleep(0.02)")
    for _ in range(3):
        view = camera.read()
        assert view.shape == (480, 640)
        assert [symbol.payload for symbol in zxing(view, False)] == [TICKET]
    camera.close()
    camera.close()
    arguments = (tmp_path / "arguments").read_text()
    assert arguments == (
        "--camera 0 --codec yuv420 -o - --width 640 --height 480 --framerate 10 -t 0 -n --flush"
    )


def test_frame_in_small_pieces_is_put_together(rpicam):
    camera = rpicam(
        "for at in range(0, len(frame), 7001): out.write(frame[at:at + 7001]); out.flush()\n"
        "time.sleep(60)"
    )
    assert [symbol.payload for symbol in zxing(camera.read(), False)] == [TICKET]
    camera.close()


@pytest.mark.parametrize("written", ["b''", "frame[:1000]"])
def test_program_that_ends_is_a_lost_camera(rpicam, written):
    camera = rpicam(f"out.write({written})")
    with pytest.raises(DeviceLost, match="ended") as caught:
        camera.read()
    assert "ribbon cable" in caught.value.remedy
    camera.close()


@pytest.mark.parametrize("written", ["b''", "frame[:1000]"])
def test_program_that_stalls_is_a_lost_camera_within_its_patience(rpicam, monkeypatch, written):
    """Silence, or half a frame and then silence; the program is killed with it."""
    monkeypatch.setattr(camera_rpicam, "FIRST_PATIENCE", 0.3)
    camera = rpicam(f"out.write({written}); out.flush(); time.sleep(600)")
    with pytest.raises(DeviceLost, match="no picture"):
        camera.read()
    begun = time.monotonic()
    camera.close()
    assert camera._process.poll() is not None
    assert time.monotonic() - begun < 60  # it did not wait for the program's own end


def test_missing_program_is_a_named_fault(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeviceNotFound, match="rpicam-vid") as caught:
        RpicamCamera.open(RPICAM, ignore)
    assert "rpicam-apps" in caught.value.remedy


def test_width_is_one_that_carries_no_padding(rpicam, tmp_path):
    rpicam("time.sleep(60)").close()
    camera = RpicamCamera.open(DriverUri.parse("camera:rpicam:0?width=1000&height=481"), ignore)
    assert camera._shape == (480, 960)
    camera.close()


@pytest.mark.parametrize("before", [None, "/opt/lib"])
def test_image_library_changes_nothing_for_programs_started_later(before):
    """OpenCV's loader would have them look for libraries in the current directory."""
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    environment |= {} if before is None else {"LD_LIBRARY_PATH": before}
    code = "import drivers.vision, os; print(os.environ.get('LD_LIBRARY_PATH'))"
    command = [sys.executable, "-P", "-c", code]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert shown.stdout == f"{before}\n"


# --- Video4Linux


class FakeCapture:
    """cv2.VideoCapture's interface, with reads by script: a frame, None (no frame), or an error."""

    def __init__(self, *steps, opened=True):
        self.steps, self.opened, self.settings, self.released = list(steps), opened, {}, 0

    def isOpened(self):
        return self.opened

    def set(self, name, value):
        self.settings[name] = value
        return True

    def read(self):
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step is not None, step

    def release(self):
        self.released += 1


def v4l2(monkeypatch, capture, uri=V4L2):
    monkeypatch.setattr(camera_v4l2, "_opened", lambda address: capture)
    return V4l2Camera.open(uri, ignore)


def test_camera_is_asked_for_720p_mjpg(monkeypatch):
    capture = FakeCapture()
    v4l2(monkeypatch, capture)
    assert capture.settings == {
        cv2.CAP_PROP_FOURCC: cv2.VideoWriter.fourcc(*"MJPG"),
        cv2.CAP_PROP_FRAME_WIDTH: 1280,
        cv2.CAP_PROP_FRAME_HEIGHT: 720,
        cv2.CAP_PROP_FPS: 30,
    }


def test_colour_becomes_grey(monkeypatch):
    camera = v4l2(monkeypatch, FakeCapture(np.dstack([frame(pixels())] * 3)))
    view = camera.read()
    assert view.shape == (720, 1280)
    assert [symbol.payload for symbol in zxing(view, False)] == [TICKET]


def test_single_missed_frame_is_no_fault(monkeypatch):
    camera = v4l2(monkeypatch, FakeCapture(None, frame(), None, frame()))
    assert [camera.read() is None for _ in range(4)] == [True, False, True, False]


@pytest.mark.parametrize("gone", [[None] * MISSES, [cv2.error("ioctl")]])
def test_unplugged_camera_is_lost(monkeypatch, gone):
    camera = v4l2(monkeypatch, FakeCapture(frame(), *gone))
    with pytest.raises(DeviceLost, match="/dev/video0"):
        for _ in range(1 + MISSES):
            camera.read()


def test_busy_or_missing_camera_is_a_named_fault_and_let_go(monkeypatch):
    capture = FakeCapture(opened=False)
    with pytest.raises(DeviceNotFound, match="/dev/video0"):
        v4l2(monkeypatch, capture)
    assert capture.released == 1


def test_missing_device_is_a_named_fault_of_the_real_library():
    with pytest.raises(DeviceNotFound):
        V4l2Camera.open(DriverUri.parse("camera:v4l2:/dev/video-none"), ignore)


def test_library_is_told_not_to_wait_ten_seconds_for_a_frame():
    assert os.environ["OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"] == "1"
