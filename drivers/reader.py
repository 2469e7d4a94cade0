"""One reader child: a device, what makes codes of it, and a socket to the lane process.

``python -P -m drivers.reader URI --fd N``, where N is a connected SOCK_SEQPACKET socket. Frames
and card keys never leave the process. Ends with status 0 when the parent is gone, 1 when the device
hangs, and 2 when the URI is wrong; the parent starts it anew.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from drivers.errors import ReaderHung, UriError
from drivers.link import Link, ParentGone
from drivers.messages import fault_of
from drivers.uri import DriverUri
from tickets.errors import GateError

READERS = {
    "camera": "drivers.camera_reader",
    "nfc": "drivers.nfc_reader",
    "wedge": "drivers.wedge_reader",
}
"""Where `build(uri, link)` of each kind is: a hand scanner's child loads no picture library."""


class Reader(Protocol):
    """What a child runs."""

    def run(self) -> None:
        """Work until the parent is gone (ParentGone) or the device hangs (ReaderHung)."""
        ...


def build(uri: DriverUri, link: Link, cards: Path | None = None) -> Reader:
    """Wire the reader that a URI names; ``cards`` is for one of NFC. Raises GateError."""
    if uri.kind not in READERS:
        kinds = ", ".join(READERS)
        raise UriError(f"'{uri}' is no reader", f"Put a URI of one of these kinds there: {kinds}")
    for_cards = {"cards": cards} if uri.kind == "nfc" else {}
    return cast(Reader, import_module(READERS[uri.kind]).build(uri, link, **for_cards))


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line, work until the parent is gone; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -P -m drivers.reader", description=__doc__)
    parser.add_argument("uri", help="camera:v4l2:/dev/video0, wedge:serial:ttyACM0, ...")
    parser.add_argument("--fd", type=int, required=True, help="a connected SOCK_SEQPACKET socket")
    parser.add_argument("--cards", type=Path, help="file with the key that cards are asked with")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C on a desk: end, without a traceback
    link = Link(socket.socket(fileno=given.fd))
    try:
        return _work(given.uri, link, given.cards)
    except ParentGone:
        return 0


def _work(text: str, link: Link, cards: Path | None) -> int:
    try:
        reader = build(DriverUri.parse(text), link, cards)
    except GateError as error:
        link.fault(fault_of(error, time.monotonic(), lasting=True))
        return 2
    try:
        reader.run()
    except ReaderHung:
        return 1
    return 0


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    os._exit(status)  # a thread stuck in a device's library must not hold the exit
