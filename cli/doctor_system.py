"""What surrounds a gate: the disk, the kernel's modules, serial lines, groups."""

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cli.findings import Finding, bad, good, warn
from config.models import AdmitConfig
from drivers.uri import DriverUri

WARN_FSYNC, REFUSE_FSYNC = 0.030, 0.100
"""Seconds of the slowest of a hundred commits, above which a card is slow, and too slow to open."""
SYNCS = 200
LEAST_FREE = 200 << 20
"""Bytes free below which somebody should look; an evening's journal is a few MiB."""
_NFC_MODULES = ("pn533_usb", "pn533")


def fsync_p99(directory: Path, count: int = SYNCS) -> float:
    """Seconds that 99 of 100 appended and synced 4 KiB pages took at most. Raises OSError."""
    times = []
    with tempfile.NamedTemporaryFile(dir=directory, prefix=".admit-doctor-") as file:
        for _ in range(count):
            began = time.perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.quantiles(times, n=100)[98]


def disk(directory: Path, measure: Callable[[Path], float] = fsync_p99) -> Iterator[Finding]:
    """Judge where the journal is kept."""
    what = f"disk of {directory}"
    try:
        slowest, free = measure(directory), shutil.disk_usage(directory).free
    except OSError as error:
        yield bad(
            what,
            f"cannot be written: {error.strerror}",
            "Run this as root or the gate's user; a card that turned read-only is worn: replace it",
        )
        return
    said = f"a commit takes {slowest * 1000:.0f} ms at most (p99)"
    if slowest > REFUSE_FSYNC:
        yield bad(what, said, "Replace the card by a faster one: every guest waits for it")
    elif slowest > WARN_FSYNC:
        yield warn(what, said, "A card of class A2, or an SSD, is faster")
    else:
        yield good(what, said)
    if free < LEAST_FREE:
        yield warn(what, f"{free >> 20} MiB free", "Free space: a full card stops the lanes")


def machine(config: AdmitConfig, root: Path = Path("/")) -> Iterator[Finding]:
    """Look for what commonly keeps readers from working on this machine."""
    uris = [uri for lane in config.lanes for uri in (*lane.readers, *lane.exit_readers)]
    yield from _modules(uris, root)
    for uri in uris:
        if uri.scheme in ("wedge:serial", "nfc:tty"):
            yield from _serial_line(uri, root)
    rpicam = any(uri.scheme == "camera:rpicam" for uri in uris)
    # libcamera-vid: its name until 2023, which the driver takes too.
    if rpicam and not any(_has_program(name, root) for name in ("rpicam-vid", "libcamera-vid")):
        yield bad("rpicam-vid", "is not installed", "Run: sudo apt install rpicam-apps")


def _modules(uris: list[DriverUri], root: Path) -> Iterator[Finding]:
    if not any(uri.kind == "nfc" for uri in uris):
        return
    loaded = {line.split(" ")[0] for line in _lines(root / "proc/modules")}
    for name in _NFC_MODULES:
        if name in loaded:
            yield bad(
                f"kernel module {name}",
                "is loaded and claims NFC readers for itself",
                f"Run: sudo modprobe -r {name}; ./install keeps it away at the next start",
            )
            return  # the one that uses the other goes first


def _serial_line(uri: DriverUri, root: Path) -> Iterator[Finding]:
    name = uri.address.removeprefix("/dev/").partition(":")[0]
    if uri.scheme == "nfc:tty" and not uri.address.startswith("/"):
        name = name if (root / "dev" / name).exists() else f"tty{name}"
    consoles = {
        word.removeprefix("console=").partition(",")[0]
        for line in _lines(root / "proc/cmdline")
        for word in line.split()
        if word.startswith("console=")
    }
    target = Path(os.path.realpath(root / "dev" / name)).name
    behind = {Path(os.path.realpath(root / "dev" / console)).name for console in consoles}
    if target in behind:
        yield bad(
            f"serial line {name}",
            "the system's console writes to it",
            "Run: sudo raspi-config, Interface, Serial Port: no login shell, hardware enabled",
        )
    elif target == "ttyS0" and (root / "dev/ttyAMA0").exists():
        yield warn(
            f"serial line {name}",
            "is the Pi's mini UART, whose speed follows the processor's: 115200 at most",
            "Give Bluetooth the mini UART: dtoverlay=miniuart-bt in config.txt, then use ttyAMA0",
        )


def _has_program(name: str, root: Path) -> bool:
    return (
        shutil.which(name, path=os.pathsep.join(str(root / d) for d in ("usr/bin", "bin")))
        is not None
    )


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8", "replace").splitlines()
    except OSError:  # not Linux as we know it: nothing to be found in it
        return []
