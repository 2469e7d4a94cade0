"""The reader child as what it is: a process on the far end of a SOCK_SEQPACKET socket."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest
from qr_pictures import TICKET, frame, pixels, png

from drivers.messages import MOST_MESSAGE, Fault, Heartbeat, Sighting, decode

ROOT = Path(__file__).parents[2]


class Child:
    """A running reader and our end of its socket."""

    def __init__(self, uri, code=None):
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(20)
        program = ["-m", "drivers.reader"] if code is None else ["-c", code]
        command = [sys.executable, "-P", *program, uri, "--fd", str(theirs.fileno())]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=environment)
        theirs.close()

    def until(self, wanted):
        """Messages up to the first that is ``wanted``."""
        messages = []
        while True:
            data = self.socket.recv(MOST_MESSAGE)
            assert data, f"the reader ended; it had said {messages}"
            messages.append(decode(data))
            if wanted(messages[-1]):
                return messages

    def end(self):
        self.socket.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(timeout=20)


@pytest.fixture
def start():
    with contextlib.ExitStack() as stack:

        def starter(uri, code=None):
            child = Child(uri, code)
            stack.callback(child.end)
            return child

        yield starter


def is_sighting(message):
    return isinstance(message, Sighting)


def test_ticket_goes_from_pixels_to_a_message(tmp_path, start):
    (tmp_path / "a.png").write_bytes(png(TICKET))
    child = start(f"camera:files:{tmp_path}?hold=0.3&blank=0.1")
    messages = child.until(is_sighting)
    assert messages[-1].payload == TICKET
    assert messages[-1].medium == "qr"
    assert messages[-1].size == pytest.approx(37 * 8, rel=0.02)  # version 5, shown twice as large
    child.until(lambda message: (tmp_path / "shown" / "a.png").exists())


def test_bad_pictures_are_reported_and_the_next_ticket_is_read(tmp_path, start):
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "b.png").write_bytes(png(b"x")[:99])
    (tmp_path / "c.png").write_bytes(png(TICKET))
    messages = start(f"camera:files:{tmp_path}").until(is_sighting)
    faults = [message.cause for message in messages if isinstance(message, Fault)]
    assert faults == ["a.png: The picture file is empty", "b.png: The picture file is cut short"]
    assert messages[-1].payload == TICKET


def test_video_of_random_codes_gives_each_of_them(tmp_path, start):
    codes = [random.Random(n).randbytes(50) for n in range(12)]
    path = tmp_path / "codes.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 4, (1280, 720))
    for code in codes:
        view = frame(pixels(code, scale=6))
        writer.write(cv2.cvtColor(view, cv2.COLOR_GRAY2BGR))
    writer.release()
    child, seen = start(f"camera:files:{path}"), set()
    while codes[-1] not in seen:
        seen |= {child.until(is_sighting)[-1].payload}
    assert seen <= set(codes)
    assert len(seen) >= len(codes) - 2  # a busy machine may miss a frame, never misread one


def test_killed_child_is_seen_at_once_by_its_parent(tmp_path, start):
    child = start(f"camera:files:{tmp_path}")
    child.until(lambda message: isinstance(message, Heartbeat))
    child.process.send_signal(signal.SIGKILL)
    with contextlib.suppress(ConnectionResetError):
        while child.socket.recv(MOST_MESSAGE):
            pass
    assert child.process.wait(timeout=20) == -signal.SIGKILL


def test_child_ends_when_its_parent_is_gone(tmp_path, start):
    child = start(f"camera:files:{tmp_path}")
    child.until(lambda message: isinstance(message, Heartbeat))
    child.socket.close()
    assert child.process.wait(timeout=20) == 0


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("camera:flies:/tmp", "UriError"),
        ("turnstile:sim", "UriError"),
        ("camera:files:", "UriError"),
    ],
)
def test_wrong_uri_is_told_to_the_parent(start, uri, name):
    child = start(uri)
    fault = child.until(lambda message: isinstance(message, Fault))[-1]
    assert fault.name == name
    child.socket.close()
    assert child.process.wait(timeout=20) in (0, 2)


def test_missing_camera_is_a_fault_while_the_heart_beats(start):
    child = start("camera:v4l2:/dev/video-that-is-not-there")
    fault = child.until(lambda message: isinstance(message, Fault))[-1]
    assert fault.name == "DeviceNotFound"
    assert "Plug it in" in fault.remedy
    child.until(lambda message: isinstance(message, Heartbeat) and message.state == "no_picture")


@pytest.mark.heavy  # needs util-linux
def test_camera_program_goes_with_its_killed_reader(tmp_path, start, monkeypatch):
    """Stuck on a dead sensor it would hold the camera against the next reader."""
    program = tmp_path / "rpicam-vid"
    program.write_text(
        f"#!/bin/sh\ncd {tmp_path}\necho $$ > pid.new\nmv pid.new pid\nexec sleep 600\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    child = start("camera:rpicam:0")
    child.until(lambda message: (tmp_path / "pid").exists())
    child.process.kill()
    child.process.wait(timeout=20)
    pid = int((tmp_path / "pid").read_text())
    for _ in range(400):
        if not alive(pid):
            return
        time.sleep(0.05)
    pytest.fail("the program lives on")


def alive(pid):
    """Whether the process runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


HUNG_DECODER = """
import sys, threading
from drivers import camera_reader, reader
class Stuck:
    def __init__(self, *a, **k): pass
    def decode(self, frame): threading.Event().wait()
camera_reader.RotatingDecoder = Stuck
sys.exit(reader.main())
"""

HUNG_CAMERA = """
import sys, threading
from drivers import camera_reader, reader, watch
class Stuck:
    live = True
    def read(self): threading.Event().wait()
camera_reader.open_camera = lambda uri, report: Stuck()
watch.START_WITHIN, camera_reader.HUNG_AFTER = 0.3, 1.2
sys.exit(reader.main())
"""


def test_hung_decoder_falls_silent(tmp_path, start):
    """No heartbeat from another thread may hide it: two seconds of silence and it is killed."""
    child = start(f"camera:files:{tmp_path}", HUNG_DECODER)
    child.socket.settimeout(2.0)
    with pytest.raises(TimeoutError):
        child.until(lambda message: False)


def test_hung_camera_is_told_and_ends_the_child(start):
    """The heart beats on with ``no_picture``; a library that does not return needs an end."""
    child = start("camera:v4l2:/dev/video0", HUNG_CAMERA)
    messages = child.until(
        lambda message: isinstance(message, Fault) and message.name == "CameraHung"
    )
    assert any(isinstance(m, Heartbeat) and m.state == "no_picture" for m in messages)
    assert child.process.wait(timeout=20) == 1
