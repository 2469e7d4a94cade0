"""What the camera's decoder reads, beside bare zxing-cpp and pyzbar, and what a frame costs each.

The same frames (benchmarks/scenes.py) go to all three in one run. The product's decoder works as in
a lane: one rescue pass a frame in turn, within the lane's budget, counted in processor time so that
a busy machine changes nothing. Costs are milliseconds of processor time of the decoding thread.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

import zxingcpp

from benchmarks import clutter, lenses, scenes
from benchmarks.figures import Figures
from drivers.decoders import Symbol, decoder_named
from drivers.errors import DecoderMissing
from drivers.frames import Frame
from drivers.qr import STILL_ROUNDS, RotatingDecoder
from drivers.watch import PictureWatch

SEED = 77_003
"""Of the figures in the documentation: passes and hardness were chosen on others, never on it."""
EACH = 32
"""Presentations of each kind."""
BACKGROUNDS = 10_000
BARE_EVERY, ZBAR_EVERY = 10, 50
"""The others look at every so many of the backgrounds: pyzbar takes as long as all the rest."""
WORKERS = 4
RATE = 30
"""Frames a second, for what is done once a second."""

PLAIN = zxingcpp.BarcodeFormats((zxingcpp.BarcodeFormat.QRCode,))
Look = Callable[[Frame], Sequence[bytes]]


@dataclass(slots=True)
class Tally:
    """What one decoder made of a set of presentations."""

    looks: list[float] = field(default_factory=list)
    shown: int = 0
    read: int = 0
    frames: int = 0
    frames_read: int = 0
    wrong: int = 0
    firsts: list[int] = field(default_factory=list)
    """Number of the frame that read it, from 1."""
    kinds: dict[str, list[int]] = field(default_factory=dict)
    """Kind -> [read, shown]."""

    def take(self, shown: scenes.Presentation, look: Look) -> None:
        """Let a decoder look at every frame of a presentation."""
        seen: set[bytes] = set()
        for number, frame in enumerate(shown.frames, 1):
            started = time.thread_time()
            found = set(look(frame))
            self.looks.append(1000 * (time.thread_time() - started))
            self.wrong += len(found - shown.truth)
            self.frames_read += found >= shown.truth
            self.frames += 1
            if seen < shown.truth <= seen | found:
                self.firsts.append(number)
            seen |= found
        whole = seen >= shown.truth
        self.shown += 1
        self.read += whole
        kind = self.kinds.setdefault(shown.kind, [0, 0])
        kind[0] += whole
        kind[1] += 1

    def glance(self, frame: Frame, look: Look) -> None:
        """Let a decoder look at a frame without a code."""
        started = time.thread_time()
        found = look(frame)
        self.looks.append(1000 * (time.thread_time() - started))
        self.frames += 1
        self.wrong += len(found)

    def add(self, other: Tally) -> None:
        """Count what another counted."""
        self.looks += other.looks
        self.firsts += other.firsts
        self.shown += other.shown
        self.read += other.read
        self.frames += other.frames
        self.frames_read += other.frames_read
        self.wrong += other.wrong
        self.kinds |= other.kinds

    def as_background(self) -> Figures:
        """Of frames without a code, as plain JSON."""
        mean = round(statistics.mean(self.looks), 3)
        return {"frames": self.frames, "false_reads": self.wrong, "cpu_ms": mean}

    def figures(self) -> Figures:
        """As plain JSON."""
        return {
            "shown": self.shown,
            "read": self.read,
            "read_rate": round(100 * self.read / self.shown, 2),
            "frames": self.frames,
            "frames_read_rate": round(100 * self.frames_read / self.frames, 2),
            "mean_frames_to_read": round(statistics.mean(self.firsts or [0]), 2),
            "wrong": self.wrong,
            "cpu_ms": {
                "mean": round(statistics.mean(self.looks), 3),
                "p50": round(statistics.median(self.looks), 3),
                "p95": round(statistics.quantiles(self.looks, n=20)[18], 3),
            },
            "kinds": {name: list(counts) for name, counts in self.kinds.items()},
        }


def bare(frame: Frame) -> list[bytes]:
    """zxing-cpp with its defaults, QR codes only, as its documentation has it."""
    return [bytes(found.bytes) for found in zxingcpp.read_barcodes(frame, formats=PLAIN)]


def payloads(symbols: Sequence[Symbol]) -> list[bytes]:
    """What was read."""
    return [symbol.payload for symbol in symbols]


def lane() -> Look:
    """The product's decoder, as a lane has it when somebody steps up."""
    decoder = RotatingDecoder(timer=time.thread_time)
    return lambda frame: payloads(decoder.decode(frame))


def zbar() -> Look | None:
    """pyzbar on the grey frame, dark codes and light ones; None where libzbar0 is missing."""
    try:
        decoder = decoder_named("pyzbar")
    except DecoderMissing:
        return None
    return lambda frame: payloads(decoder(frame, True))


def measure(each: int = EACH, backgrounds: int = BACKGROUNDS, seed: int = SEED) -> Figures:
    """All of it.

    Args:
        each: Presentations of each kind; ``backgrounds``: frames without a code.
    """
    kinds = list(scenes.KINDS)
    quarter = backgrounds // WORKERS
    with ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool:
        read = [pool.submit(tallies, seed, each, kinds[n::WORKERS]) for n in range(WORKERS)]
        empty = [pool.submit(false_reads, quarter, seed + n) for n in range(WORKERS)]
        return {
            "seed": seed,
            "frames_of_a_presentation": scenes.FRAMES,
            "static_empty": static_empty(),
            "eyesight": lenses.measure(),
            "read": _read(_summed([job.result() for job in read])),
            "backgrounds": {
                name: tally.as_background()
                for name, tally in _summed([job.result() for job in empty]).items()
            },
        }


def tallies(seed: int, each: int, kinds: Sequence[str] = ()) -> dict[str, Tally]:
    """What each decoder made of the same presentations."""
    second = zbar()
    found = {"product": Tally(), "bare zxing-cpp": Tally()}
    if second is not None:
        found["pyzbar"] = Tally()
    for presentation in scenes.presentations(seed, each, kinds=kinds):
        found["product"].take(presentation, lane())
        found["bare zxing-cpp"].take(presentation, bare)
        if second is not None:
            found["pyzbar"].take(presentation, second)
    return found


def _summed(parts: Sequence[dict[str, Tally]]) -> dict[str, Tally]:
    whole: dict[str, Tally] = {}
    for part in parts:
        for name, tally in part.items():
            whole.setdefault(name, Tally()).add(tally)
    return whole


def _read(found: dict[str, Tally]) -> Figures:
    figures: Figures = {name: tally.figures() for name, tally in found.items()}
    cost = [statistics.mean(found[name].looks) for name in ("product", "bare zxing-cpp")]
    return figures | {"cpu_ratio": round(cost[0] / cost[1], 3)}


def static_empty(rounds: int = 600, seeds: Sequence[int] = range(6)) -> Figures:
    """A scene in which nothing happens: the whole work of the decoding thread against zxing-cpp.

    Counted are the decoder and the look at the picture's health, which is due once a second.
    """
    decoder, watch = RotatingDecoder(timer=time.thread_time), PictureWatch(0.0)
    plain: list[float] = []
    product: list[float] = []
    for seed in seeds:
        frames = lenses.frames(lenses.WELL["hall, out of focus"], seed)
        for number in range(STILL_ROUNDS):
            decoder.decode(frames[number % len(frames)])
        for number in range(rounds // len(seeds)):
            frame, now = frames[number % len(frames)], number / RATE + 1000 * seed
            started = time.thread_time()
            bare(frame)
            between = time.thread_time()
            watch.saw(frame, now)
            watch.read(decoder.decode(frame), now)
            plain.append(between - started)
            product.append(time.thread_time() - between)
    return {
        "bare_cpu_ms": round(1000 * statistics.mean(plain), 3),
        "product_cpu_ms": round(1000 * statistics.mean(product), 3),
        "ratio": round(sum(product) / sum(plain), 3),
    }


def false_reads(count: int, seed: int) -> dict[str, Tally]:
    """What each decoder reads in clutter that never stands still, and holds no code."""
    second, look = zbar(), lane()
    found = {"product": Tally(), "bare zxing-cpp": Tally()}
    if second is not None:
        found["pyzbar"] = Tally()
    for number, frame in enumerate(clutter.frames(count, seed)):
        found["product"].glance(frame, look)
        if number % BARE_EVERY == 0:
            found["bare zxing-cpp"].glance(frame, bare)
        if second is not None and number % ZBAR_EVERY == 0:
            found["pyzbar"].glance(frame, second)
        if number % 500 == 499:
            wrong = found["product"].wrong
            sys.stderr.write(f"  {number + 1} frames without a code: {wrong} read\n")
    return found
