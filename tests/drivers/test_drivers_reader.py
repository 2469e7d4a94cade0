"""The reader child's parts: link, mailbox, camera keeper and decoding thread, on injected time."""

import itertools
import json
import socket

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qr_pictures import frame, noisy

from drivers.camera_reader import CameraHung, Reader
from drivers.capture import Capture
from drivers.decoders import Symbol
from drivers.errors import DeviceLost, DeviceNotFound, PictureError
from drivers.link import MOST_FAULTS, Link, ParentGone
from drivers.mailbox import Mailbox
from drivers.messages import (
    MOST_MESSAGE,
    MOST_PAYLOAD,
    Fault,
    Heartbeat,
    MessageError,
    Notice,
    Recovered,
    Sighting,
    decode,
    encode,
)
from drivers.pace import FakePace
from drivers.watch import HUNG_AFTER

# --- messages


@pytest.mark.parametrize(
    "message",
    [
        Sighting(bytes(range(256)), "qr", 212.5, 12.25),
        Sighting(bytes(MOST_PAYLOAD), "nfc", 0.0, 1.0),
        Heartbeat(1.0, 7, "no_picture"),
        Heartbeat(1.0, 7, "ok", {"polls": 7, "failed_gone": 1}),
        Notice("hold_still", "The card left the field", "Hold the card still", 2.0),
        Fault("DeviceLost", "Gone. \u00fc", "Plug it in", 2.0, True),
        Recovered("DeviceLost", 3.0),
    ],
)
def test_message_survives_its_way(message):
    data = encode(message)
    assert decode(data) == message
    assert len(data) <= MOST_MESSAGE
    assert json.loads(data)["kind"] == type(message).__name__.lower()


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=9),
        lambda inner: st.dictionaries(
            st.sampled_from(["kind", "payload", "medium", "size", "at", "frames", "name"]), inner
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_bytes_from_a_child_crash_the_parent(data):
    try:
        assert decode(data)
    except MessageError as error:
        assert error.remedy


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 60_000,
        b"1" * (MOST_MESSAGE + 1),
        b'{"at": 1e999}',
        b'{"kind": "heartbeat", "at": 0, "frames": 1e999, "state": "ok"}',
        b'{"kind": "heartbeat", "at": 1e999, "frames": 1, "state": "ok"}',
        b'{"kind": "heartbeat", "at": %s, "frames": 1, "state": "ok"}' % (b"9" * 400),
        b'{"kind": "heartbeat", "at": 1, "frames": 1, "state": "ok", "counters": [1]}',
        b'{"kind": "heartbeat", "at": 1, "frames": 1, "state": "ok", "counters": {"a": null}}',
        b'{"kind": "sighting", "payload": "", "medium": "qr", "size": NaN, "at": 1}',
        b'{"kind": "sighting", "payload": "", "medium": "qr", "size": 1e999, "at": 1}',
        b'{"kind": "sighting", "at": 0, "payload": "QQ==", "size": 1, "medium": "typed"}',
        b'{"kind": "sighting", "at": 0, "payload": "QQ==", "size": 1, "medium": ["qr"]}',
        b'{"kind": "sighting", "at": 0, "payload": "", "size": 1, "medium": "nfc", '
        b'"card": {"uid": "04", "proof": "forged", "detail": "\\ud800"}}',
        b'{"kind": "fault", "at": 0, "name": "x", "cause": "\\ud800", "remedy": "", "lasting": 1}',
        b'{"kind": "notice", "at": 0, "name": "\\ud800", "cause": "", "remedy": ""}',
        b'{"kind": "heartbeat", "at": 0, "frames": 1, "state": "\\ud800"}',
    ],
)
def test_hostile_message_is_refused_by_name(data):
    with pytest.raises(MessageError):
        decode(data)


# --- link


@pytest.fixture
def pair():
    parent, child = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    parent.setblocking(False)
    yield parent, Link(child)
    parent.close()
    child.close()


def taken(parent):
    messages = []
    try:
        while True:
            messages.append(decode(parent.recv(MOST_MESSAGE)))
    except BlockingIOError:
        return messages


def sighting(number, at=0.0):
    return Sighting(b"%d " % number * 500, "qr", 1.0, at)


def test_stalled_parent_finds_the_newest_sighting_and_every_fault(pair):
    """The decoder never waits: sightings give way to newer ones, faults to nothing."""
    parent, link = pair
    for number in range(300):
        link.sightings([sighting(number)])
    for number in range(20):
        link.fault(Fault("PictureError", f"picture {number}", "", 0.0, False))
    assert link.dropped > 0
    messages = []
    while fresh := taken(parent):
        messages += fresh
        link.flush()
    faults = [message.cause for message in messages if isinstance(message, Fault)]
    seen = [message for message in messages if isinstance(message, Sighting)]
    assert faults == [f"picture {number}" for number in range(20)]
    assert seen[-1] == sighting(299)
    assert len(seen) < 100


def test_sightings_of_one_frame_keep_their_order(pair):
    parent, link = pair
    link.sightings([sighting(1), sighting(2), sighting(3)])
    assert taken(parent) == [sighting(1), sighting(2), sighting(3)]


def test_equal_faults_wait_as_one(pair):
    parent, link = pair
    for number in range(300):
        link.sightings([sighting(number)])
    for _ in range(MOST_FAULTS * 2):
        link.fault(Fault("A", "same", "", 0.0, False))
    while messages := taken(parent):
        link.flush()
        last = messages
    assert any(isinstance(message, Fault) for message in last)


def test_a_fault_that_came_back_while_the_parent_stalled_is_the_last_it_hears(pair):
    """Else a dead camera would count as well."""
    parent, link = pair
    for number in range(300):
        link.sightings([sighting(number)])
    lost = Fault("DeviceLost", "gone", "", 0.0, True)
    for message in (lost, Recovered("DeviceLost", 1.0), lost):
        link.fault(message)
    heard = []
    while messages := taken(parent):
        link.flush()
        heard += messages
    assert [m for m in heard if not isinstance(m, Sighting)][-1] == lost


def test_parent_that_takes_no_faults_counts_as_gone(pair):
    _, link = pair
    with pytest.raises(ParentGone):
        for number in range(2000):
            link.fault(Fault("A", f"{number}", "r" * 900, 0.0, False))


def test_parent_that_closed_counts_as_gone(pair):
    parent, link = pair
    parent.close()
    with pytest.raises(ParentGone):
        link.heartbeat(Heartbeat(0.0, 0, "ok"))


# --- mailbox


def test_mailbox_holds_the_newest_frame_once():
    mailbox = Mailbox()
    for level in (1, 2, 3):
        mailbox.put(np.full((2, 2), level, np.uint8))
    assert mailbox.take(0)[0, 0] == 3
    assert mailbox.take(0) is None


# --- the camera's keeper


class Script:
    """A camera that does one thing a read: a frame, None, or an error to raise."""

    live = True

    def __init__(self, *steps):
        self.steps, self.closed = list(steps), 0

    def read(self):
        step = self.steps.pop(0) if self.steps else None
        if isinstance(step, BaseException):
            raise step
        if callable(step):
            step = step()
        return step

    def close(self):
        self.closed += 1


def test_lost_camera_is_closed_and_opened_anew_with_growing_waits():
    pace, opened_at = FakePace(), []
    lost = DeviceLost("gone", "plug it in")

    def open_camera(report):
        opened_at.append(pace.now() - 1000)
        if len(opened_at) == 6:
            return Script(frame(), stop)
        if len(opened_at) == 7:
            raise KeyError("ends this test")
        raise DeviceNotFound("no camera", "plug it in")

    def stop():
        raise lost

    mailbox = Mailbox()
    capture = Capture(open_camera, mailbox, pace)
    with pytest.raises(KeyError):
        capture.run()
    assert opened_at == [0.0, 0.5, 1.5, 3.5, 7.5, 12.5, 13.0]  # and the wait begins anew
    assert mailbox.take(0) is not None
    said = [capture.faults.get_nowait() for _ in range(capture.faults.qsize())]
    assert [type(error).__name__ for error in said] == ["DeviceNotFound"] * 5 + [
        "NoneType",
        "DeviceLost",
    ]


def test_camera_is_closed_when_it_is_lost():
    camera = Script(frame(), DeviceLost("gone", "x"))
    opens = iter([camera])
    capture = Capture(lambda report: next(opens), Mailbox(), FakePace())
    with pytest.raises(StopIteration):
        capture.run()
    assert camera.closed == 1


# --- the decoding thread


class Desk:
    """A reader with a hand-fed camera, on a clock moved by hand."""

    def __init__(self, pair, codes=()):
        self.parent, self.link = pair
        self.at = 100.0
        self.mailbox = Mailbox()
        self.capture = Capture(lambda report: Script(), self.mailbox, FakePace())
        self.codes = list(codes)
        self.reader = Reader(
            self.capture, self.mailbox, lambda view: self.codes, self.link, lambda: self.at
        )

    def step(self, view=None, wait=0.2):
        """One turn of the loop; without ``view`` the camera had nothing new."""
        self.mailbox.take = lambda timeout: view
        self.at += wait
        self.reader.step()
        return taken(self.parent)


@pytest.fixture
def desk(pair):
    return Desk(pair)


def of(kind, messages):
    return [message for message in messages if isinstance(message, kind)]


def test_every_code_in_view_is_one_sighting_larger_first(desk):
    desk.codes = [Symbol(b"near", 300.0), Symbol(b"far", 100.0)]
    assert of(Sighting, desk.step(frame())) == [
        Sighting(b"near", "qr", 300.0, 100.2),
        Sighting(b"far", "qr", 100.0, 100.2),
    ]


def test_payload_longer_than_any_code_is_dropped_with_a_fault(desk):
    desk.codes = [Symbol(bytes(MOST_PAYLOAD + 1), 300.0), Symbol(b"good", 100.0)]
    messages = desk.step(frame())
    assert [s.payload for s in of(Sighting, messages)] == [b"good"]
    assert [f.name for f in of(Fault, messages)] == ["PayloadTooLong"]


def test_heartbeats_come_at_least_every_half_second(desk):
    beats = []
    for _ in range(50):
        beats += of(Heartbeat, desk.step(noisy(frame(), 5)))
    gaps = [later.at - sooner.at for sooner, later in itertools.pairwise(beats)]
    assert max(gaps) <= 0.5
    assert beats[-1].state == "ok"
    assert beats[-1].frames > 40


def test_silent_camera_is_a_fault_and_its_return_is_told(desk):
    desk.step(frame())
    messages = [message for _ in range(12) for message in desk.step()]
    (fault,) = of(Fault, messages)
    assert (fault.name, fault.lasting) == ("PictureLost", True)
    assert of(Heartbeat, messages)[-1].state == "no_picture"
    assert of(Recovered, desk.step(frame())) == [Recovered("PictureLost", desk.at)]


def test_fault_of_the_camera_is_said_once_and_instead_of_a_silent_picture(desk):
    messages = []
    for _ in range(30):
        desk.capture.faults.put(DeviceNotFound("no camera", "plug it in"))
        messages += desk.step()
    assert [f.name for f in of(Fault, messages)] == ["DeviceNotFound"]
    desk.capture.faults.put(None)
    assert of(Recovered, desk.step(frame())) == [Recovered("DeviceNotFound", desk.at)]


def test_another_fault_of_the_camera_replaces_the_first(desk):
    desk.capture.faults.put(DeviceLost("gone", "x"))
    desk.capture.faults.put(DeviceNotFound("no camera", "y"))
    messages = desk.step()
    assert [type(m).__name__ for m in messages[:3]] == ["Fault", "Recovered", "Fault"]


def test_unreadable_picture_is_a_passing_fault(desk):
    desk.capture.passing.put(PictureError("a.png: empty", "copy it again"))
    (fault,) = of(Fault, desk.step())
    assert (fault.name, fault.lasting) == ("PictureError", False)


def test_what_is_wrong_with_the_picture_is_a_fault_of_its_own_and_its_end_is_told(desk):
    desk.capture.live = True
    black = np.zeros((720, 1280), np.uint8)
    messages = [message for _ in range(60) for message in desk.step(black)]
    (fault,) = of(Fault, messages)
    assert (fault.name, fault.lasting) == ("PictureBlack", True)
    assert "lamp" in fault.remedy
    assert of(Heartbeat, messages)[-1].state == "black"
    messages = [message for _ in range(20) for message in desk.step(noisy(frame(), 5))]
    assert of(Recovered, messages)[0].name == "PictureBlack"
    assert of(Heartbeat, messages)[-1].state == "ok"


def test_lost_camera_takes_the_place_of_its_bad_picture(desk):
    """One fault, not two: what the lens saw is of no interest while the cable is out."""
    desk.capture.live = True
    for _ in range(60):
        desk.step(np.zeros((720, 1280), np.uint8))
    desk.capture.faults.put(DeviceLost("gone", "plug it in"))
    messages = [message for _ in range(20) for message in desk.step()]
    told = [type(m).__name__ + m.name for m in messages if not isinstance(m, Heartbeat)]
    assert told == ["FaultDeviceLost", "RecoveredPictureBlack"]


@pytest.mark.parametrize(
    "odd",
    [
        np.broadcast_to(np.uint8(0), (10_000, 10_000)),
        np.zeros((1, 70_000), np.uint8),
        np.zeros((0, 0), np.uint8),
        np.zeros((4, 4), np.uint16),
    ],
)
def test_frame_no_camera_should_have_is_a_fault_and_the_next_good_one_is_read(desk, odd):
    desk.codes = [Symbol(b"x", 300.0)]
    messages = [message for _ in range(200) for message in desk.step(odd)]
    assert [f.name for f in of(Fault, messages)] == ["FrameError"]
    messages = desk.step(frame())
    assert of(Recovered, messages)[0].name == "FrameError"
    assert of(Sighting, messages)


def test_frames_may_change_their_size_in_mid_stream(desk):
    desk.codes = [Symbol(b"x", 300.0)]
    for shape in ((720, 1280), (480, 640), (1, 1), (3, 2), (1080, 1920), (720, 1280)):
        messages = desk.step(np.full(shape, 99, np.uint8))
        assert not of(Fault, messages)
        assert of(Sighting, messages)


def test_hung_camera_ends_the_reader_with_a_fault(desk):
    desk.step(frame())
    with pytest.raises(CameraHung):
        desk.step(wait=HUNG_AFTER + 1)
    assert of(Fault, taken(desk.parent))[-1].name == "CameraHung"


def test_camera_that_is_known_to_be_gone_does_not_end_the_reader(desk):
    desk.capture.faults.put(DeviceNotFound("no camera", "plug it in"))
    desk.step()
    for _ in range(10):
        desk.step(wait=HUNG_AFTER)


def test_unforeseen_error_in_the_camera_thread_ends_the_reader(desk):
    desk.capture.broken = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        desk.step()
