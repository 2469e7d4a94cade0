"""A gate that its organiser withdrew: nobody is admitted from now on, and a thief finds nothing.

The journal stays: scans that the server has not yet go up when the gate is enrolled anew.
"""

import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path

from admission.errors import GateError
from scanner.bookkeeper import Bookkeeper
from scanner.kept import SERIALS, STATEMENTS
from scanner.lane_thread import LaneThread
from scanner.messages import DeviceFault
from store.withdrawn import CAUSE, REMEDY, is_of_journal, is_withdrawn, wipe

log = logging.getLogger("admit.scanner.withdrawal")
LANES_WITHIN = 3.0
"""Seconds in which every lane closes and writes what became of its guest."""


def wipe_when_withdrawn(state: Path) -> None:
    """Delete at the start what a run before could not, but for what `_wipe` keeps."""
    if is_withdrawn(state / "sync"):
        _wipe(state / "scanner")


def end_when_withdrawn(state: Path, lanes: Sequence[LaneThread], books: Bookkeeper) -> None:
    """Close every lane, wipe, and end this process with all that is in its memory.

    The next run finds neither keys nor lists, and says why on its screen.
    """
    if books.identity is None or not is_withdrawn(state / "sync"):
        return
    log.critical("%s. %s", CAUSE, REMEDY)
    error = GateError(CAUSE, REMEDY)
    for thread in lanes:
        thread.queue.put(DeviceFault("withdrawn", error, blocks=True))
    end = time.monotonic() + LANES_WITHIN
    while time.monotonic() < end and not all(thread.lane.faults.blocked for thread in lanes):
        time.sleep(0.02)
    _wipe(state / "scanner")
    logging.shutdown()
    os._exit(70)


def _wipe(own: Path) -> None:
    """All but the journals, and how new the lists were that this gate has believed.

    The mark is sync's to set and to take away: without those serials, whoever took over sync would
    have older lists and keys believed by it.
    """
    try:
        wipe(own, lambda name: name == STATEMENTS or is_of_journal(name))
        wipe(own / STATEMENTS, lambda name: name == SERIALS)
    except FileNotFoundError:
        return
    except OSError as error:  # the next start goes on with it
        log.critical("not all of it could be wiped: %s", error)
