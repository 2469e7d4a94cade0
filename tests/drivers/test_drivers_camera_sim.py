"""The camera whose scene is set from outside."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from drivers.camera_sim import HEADER, MAGIC, SHOWN, SimulatedCamera, wall
from drivers.errors import DeviceLost, DeviceNotFound
from drivers.pace import FakePace
from drivers.registry import open_camera
from drivers.uri import DriverUri

PICTURE = np.full((90, 160), 40, np.uint8)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, SimulatedCamera]]:
    """The visitor's end of a camera, and the camera."""
    visitor, connection = socket.socketpair()
    camera = SimulatedCamera(connection, FakePace())
    yield visitor, camera
    visitor.close()
    camera.close()


def put(visitor: socket.socket, number: int) -> None:
    """Hold `PICTURE` before the camera; its pixels are more than a socket takes at once."""
    message = HEADER.pack(MAGIC, number, 160, 90) + PICTURE.tobytes()
    threading.Thread(target=visitor.sendall, args=(message,)).start()


def until(camera: SimulatedCamera, wanted: Callable[[np.ndarray], bool]) -> np.ndarray:
    """The first of the next frames that is as wanted."""
    for _ in range(1000):
        frame = camera.read()
        assert frame is not None
        if wanted(frame):
            return frame
    raise AssertionError("no such frame came")


def test_nobody_in_view_is_a_wall(ends) -> None:
    frame = ends[1].read()
    assert frame.shape == wall().shape
    assert np.abs(frame.astype(int) - wall()).max() < 6


def test_two_frames_are_never_equal(ends) -> None:
    """A sensor's noise: a repeated frame would count as a frozen picture."""
    assert (ends[1].read() != ends[1].read()).any()


def test_a_picture_is_in_view_until_it_is_taken_away(ends) -> None:
    visitor, camera = ends
    put(visitor, 7)
    assert abs(int(until(camera, lambda f: f.shape == (90, 160)).mean()) - 42) < 3
    assert camera.read().shape == (90, 160)
    visitor.sendall(HEADER.pack(MAGIC, 0, 0, 0))
    assert until(camera, lambda f: f.shape == wall().shape) is not None


def test_the_first_frame_with_a_picture_is_told_once(ends) -> None:
    visitor, camera = ends
    put(visitor, 7)
    until(camera, lambda f: f.shape == (90, 160))
    camera.read()
    number, at = SHOWN.unpack(visitor.recv(1000))
    assert number == 7
    assert at > 0


@pytest.mark.parametrize(
    ("case", "message", "said"),
    [
        ("pulled out", b"", "unplugged"),
        ("another language", b"GET / HTTP/1.1\r\n\r\n", "no picture"),
        ("too many pixels", HEADER.pack(MAGIC, 1, 65535, 65535), "no picture"),
        ("a picture without height", HEADER.pack(MAGIC, 1, 100, 0), "no picture"),
        ("cut short", HEADER.pack(MAGIC, 1, 100, 100) + b"abc", "unplugged"),
    ],
)
def test_what_is_no_picture_loses_the_camera(ends, case: str, message: bytes, said: str) -> None:
    visitor, camera = ends
    visitor.sendall(message)
    visitor.close()
    with pytest.raises(DeviceLost, match=said):
        camera.read()


def test_no_camera_is_plugged_in_where_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotFound, match="Plug it in"):
        open_camera(DriverUri.parse(f"camera:sim:{tmp_path}/none.sock"), lambda _: None)
