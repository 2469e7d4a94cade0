"""A camera's reader: its frames are decoded, what is found goes to the lane process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from drivers.capture import Capture
from drivers.decoders import Symbol, decoder_named
from drivers.errors import DeviceLost, FrameError, PayloadTooLong, ReaderHung
from drivers.frames import Frame
from drivers.link import Link
from drivers.mailbox import Mailbox
from drivers.messages import HEARTBEAT_EVERY, MOST_PAYLOAD, Heartbeat, Recovered, Sighting, fault_of
from drivers.pace import RealPace
from drivers.qr import LIVE_PIXELS, RotatingDecoder, grey
from drivers.registry import open_camera
from drivers.uri import DriverUri
from drivers.watch import HUNG_AFTER, PictureState, PictureWatch
from tickets.errors import GateError

LOOK_EVERY = 0.2
"""Seconds the decoding thread waits for a frame before it looks after its other duties."""


class PictureLost(DeviceLost):
    """The camera is open, but delivers no picture."""


class PictureFrozen(PictureLost):
    """The camera delivers the same picture for ever."""


class PictureBlack(PictureLost):
    """The camera sees nothing but black."""


class PictureCovered(PictureLost):
    """The camera sees nothing but an even grey."""


class PictureBlurred(PictureLost):
    """The camera sees no edges where it saw them, or reads codes only sharpened."""


_FAULTS: Mapping[PictureState, PictureLost] = {
    PictureState.NO_PICTURE: PictureLost(
        "The camera delivers no picture", "Check its cable and its power"
    ),
    PictureState.FROZEN: PictureFrozen(
        "The camera repeats one picture", "Unplug the camera and plug it in"
    ),
    PictureState.BLACK: PictureBlack(
        "The camera sees nothing but black", "Uncover its lens, and switch the lane's lamp on"
    ),
    PictureState.COVERED: PictureCovered(
        "The camera sees nothing but an even grey: its lens is covered",
        "Take away what lies on the lens, and wipe it",
    ),
    PictureState.BLURRED: PictureBlurred(
        "The camera's picture has become blurred",
        "Wipe the lens; if that does not help, focus it anew on a ticket at 15 cm",
    ),
}


class CameraHung(ReaderHung):
    """The camera's library does not return; only a new process helps."""


class Reader:
    """The decoding thread: takes frames, sends sightings, faults and heartbeats.

    Heartbeats come from this very thread, so that a decoder that hangs falls silent.
    """

    def __init__(
        self,
        capture: Capture,
        mailbox: Mailbox,
        decode: Callable[[Frame], Sequence[Symbol]],
        link: Link,
        now: Callable[[], float] = time.monotonic,
        *,
        plain: bool = False,
    ) -> None:
        self._capture = capture
        self._mailbox = mailbox
        self._decode = decode
        self._link = link
        self._now = now
        self._watch = PictureWatch(now(), plain)
        self._picture = PictureState.STARTING
        self._frames = 0
        self._beat = 0.0
        self._lasting: GateError | None = None
        self._unfit: GateError | None = None

    def run(self) -> None:
        """Work until the parent is gone (ParentGone) or the camera hangs (CameraHung)."""
        while True:
            self.step()

    def step(self) -> None:
        """One frame, or one look around when none came."""
        frame = self._mailbox.take(LOOK_EVERY)
        if frame is not None:
            self._frames += 1
            self._take(frame)
        self._report_camera()
        self._report_picture()
        self._heartbeat()

    def _take(self, frame: Frame) -> None:
        try:
            image = grey(frame, LIVE_PIXELS)
        except FrameError as error:  # of a size or type no camera of ours should have
            self._unfit = self._told(self._unfit, error)
            return
        self._unfit = self._told(self._unfit, None)
        self._watch.saw(image, self._now())
        self._look(image)

    def _look(self, frame: Frame) -> None:
        at = self._now()  # when the frame was seen, not when it was understood
        symbols = self._decode(frame)
        self._watch.read(symbols, at)
        found = [
            Sighting(symbol.payload, "qr", round(symbol.size, 1), at)
            for symbol in symbols
            if len(symbol.payload) <= MOST_PAYLOAD
        ]
        if len(found) < len(symbols):
            error = PayloadTooLong(
                f"A code of more than {MOST_PAYLOAD} bytes was read", "It is no ticket; go on"
            )
            self._link.fault(fault_of(error, at, lasting=False))
        if found:
            self._link.sightings(found)

    def _report_camera(self) -> None:
        if self._capture.broken is not None:
            raise self._capture.broken
        while not self._capture.passing.empty():  # this thread alone takes from it
            error = self._capture.passing.get_nowait()
            self._link.fault(fault_of(error, self._now(), lasting=False))
        while not self._capture.faults.empty():
            self._lasting = self._told(self._lasting, self._capture.faults.get_nowait())

    def _told(self, known: GateError | None, error: GateError | None) -> GateError | None:
        """Say what is wrong now in place of what was, once; returns it."""
        if error is not None and known is not None and str(error) == str(known):
            return known  # the same at every attempt to open it, or in every frame
        if known is not None:
            self._link.fault(Recovered(type(known).__name__, self._now()))
        if error is not None:
            self._link.fault(fault_of(error, self._now(), lasting=True))
        return error

    def _report_picture(self) -> None:
        now = self._now()
        said = self._lasting is not None or self._unfit is not None
        if not said and self._watch.age(now) > HUNG_AFTER:
            error = CameraHung("The camera does not answer", "The reader is started anew by itself")
            self._link.fault(fault_of(error, now, lasting=False))
            raise error
        state = self._watch.state(now, self._capture.live)
        if said and state is PictureState.NO_PICTURE:
            state = PictureState.STARTING  # told already, and better, by the camera itself
        if state is self._picture:
            return
        if self._picture in _FAULTS:
            name = type(_FAULTS[self._picture]).__name__
            self._link.fault(Recovered(name, now))
        if state in _FAULTS:
            self._link.fault(fault_of(_FAULTS[state], now, lasting=True))
        self._picture = state

    def _heartbeat(self) -> None:
        now = self._now()
        if now - self._beat >= HEARTBEAT_EVERY - LOOK_EVERY:
            self._beat = now
            state = self._watch.state(now, self._capture.live)
            self._link.heartbeat(Heartbeat(now, self._frames, state))
        else:
            self._link.flush()


def build(uri: DriverUri, link: Link) -> Reader:
    """Wire the parts for a camera URI. Raises DecoderMissing."""
    decoder = RotatingDecoder(
        decoder_named(uri.word("decoder", "zxing")),
        rescue=uri.flag("rescue", True),
        budget=uri.number("budget", 50.0) / 1000,
    )
    mailbox = Mailbox()
    capture = Capture(partial(open_camera, uri), mailbox, RealPace())
    capture.start()
    return Reader(capture, mailbox, decoder.decode, link, plain=uri.flag("plain", False))
