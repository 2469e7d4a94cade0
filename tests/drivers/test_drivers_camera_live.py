"""Real cameras, with their far end played: a program in rpicam-vid's place, a scripted V4L2."""

import errno
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

    def install(body, uri=RPICAM):
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
        return RpicamCamera.open(uri, ignore)

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
        "--camera 0 --codec yuv420 -o - --width 640 --height 480 --framerate 10 -t 0 -n --flush "
        "--verbose 0 --exposure sport"
    )


def test_exposure_gain_and_focus_are_fixed_by_the_uri(rpicam, tmp_path):
    """Shutter in microseconds, focus in dioptres, as rpicam-vid takes them."""
    uri = DriverUri.parse("camera:rpicam:0?width=640&height=480&exposure=2.5&gain=4&focus=6.7")
    camera = rpicam("out.write(frame); out.flush(); time.sleep(60)", uri)
    camera.read()
    camera.close()
    words = (tmp_path / "arguments").read_text()
    assert words.endswith("--shutter 2500 --gain 4 --autofocus-mode manual --lens-position 6.7")


def test_program_of_the_former_name_serves_too(rpicam, tmp_path):
    rpicam("time.sleep(60)").close()
    (tmp_path / "rpicam-vid").rename(tmp_path / "libcamera-vid")
    RpicamCamera.open(RPICAM, ignore).close()


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


def test_last_words_of_the_program_are_told(rpicam):
    camera = rpicam("sys.stderr.write('x' * 90000 + '\\nERROR: \\x1b[31msensor is gone\\n')")
    with pytest.raises(DeviceLost, match="sensor is gone") as caught:
        camera.read()
    camera.close()
    assert caught.value.cause.isprintable()


def test_camera_that_is_not_plugged_in_is_told_as_such(rpicam):
    camera = rpicam("sys.exit('ERROR: *** no cameras available ***')")
    with pytest.raises(DeviceLost, match="finds no camera") as caught:
        camera.read()
    camera.close()
    assert "ribbon" in caught.value.remedy


def test_chatty_program_is_never_kept_waiting(rpicam):
    """Its words are taken with every frame: a pipe that is full would stop the pictures."""
    camera = rpicam(
        "while True: sys.stderr.write('w' * 30000); sys.stderr.flush(); out.write(frame)\n"
    )
    for _ in range(6):
        assert camera.read().shape == (480, 640)
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


EMPTY = np.zeros((0, 0), np.uint8)


@pytest.mark.parametrize("gone", [[None] * MISSES, [cv2.error("ioctl")] * MISSES, [EMPTY] * MISSES])
def test_unplugged_camera_is_lost(monkeypatch, gone):
    camera = v4l2(monkeypatch, FakeCapture(frame(), *gone))
    with pytest.raises(DeviceLost, match="/dev/video0"):
        for _ in range(1 + MISSES):
            camera.read()


def test_half_a_picture_now_and_then_is_no_fault(monkeypatch):
    """An empty buffer makes the JPEG decoder raise, half a one leaves it without a picture."""
    camera = v4l2(monkeypatch, FakeCapture(cv2.error("imdecode"), EMPTY, frame(), None, frame()))
    assert [camera.read() is None for _ in range(5)] == [True, True, False, True, False]


def test_camera_may_change_its_size_in_mid_stream(monkeypatch):
    views = [np.zeros(shape, np.uint8) for shape in ((720, 1280), (480, 640, 3), (1, 1))]
    camera = v4l2(monkeypatch, FakeCapture(*views))
    assert [camera.read().shape for _ in views] == [(720, 1280), (480, 640), (1, 1)]


@pytest.mark.parametrize(
    ("error", "cause", "remedy"),
    [
        (FileNotFoundError(errno.ENOENT, "x"), "is not there", "Plug it in"),
        (PermissionError(errno.EACCES, "x"), "by this user", "group 'video'"),
        (OSError(errno.EBUSY, "Device or resource busy"), "busy", "other program"),
        (None, "no video", "another of its devices"),
    ],
)
def test_camera_that_cannot_be_opened_is_told_by_its_reason(monkeypatch, error, cause, remedy):
    capture = FakeCapture(opened=False)
    null, opened = os.open(os.devnull, os.O_RDONLY), []

    def open_device(path, flags):
        opened.append(path)
        if error is not None:
            raise error
        return null

    monkeypatch.setattr(camera_v4l2.os, "open", open_device)
    with pytest.raises(DeviceNotFound, match=cause) as caught:
        v4l2(monkeypatch, capture)
    monkeypatch.undo()
    assert remedy in caught.value.remedy
    assert (capture.released, opened) == (1, ["/dev/video0"])
    if error is not None:
        os.close(null)


def test_missing_device_is_a_named_fault_of_the_real_library():
    with pytest.raises(DeviceNotFound):
        V4l2Camera.open(DriverUri.parse("camera:v4l2:/dev/video-none"), ignore)


def test_library_is_told_not_to_wait_ten_seconds_for_a_frame():
    assert os.environ["OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"] == "1"
