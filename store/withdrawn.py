"""The mark that a gate was withdrawn by its organiser: it stays until the gate is enrolled anew.

sync writes it, first of all, into its own directory, and takes it away once a new enrolment is
saved; scanner looks for it. What a thief could use is wiped by each in its own directory.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from store.files import replace_durably, sync_directory

MARK = "withdrawn.json"
LOCK = "lock"
CAUSE = "the organiser has withdrawn this gate"
REMEDY = (
    "Use another gate. To use this one again, enrol it anew: make a token at the server "
    "('admit central token') and put it into admit.toml"
)


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What stays of an enrolment that was ended."""

    device: str
    """Number of the gate at its server, then."""
    token: str
    """Hash of the one-time token that admit.toml had: with another, it may enrol anew."""
    wiped: bool = False
    """Whether all else is gone."""
    acknowledged: dict[str, tuple[int, list[int]]] = field(default_factory=dict)
    """By journal epoch in hex: up to where the server has every record, and which beyond."""


def is_withdrawn(directory: Path) -> bool:
    """Whether the gate whose sync keeps ``directory`` was withdrawn."""
    try:
        return (directory / MARK).exists()
    except OSError:  # the directory is shut: whoever needs what is in it says so
        return False


def read_mark(directory: Path) -> Withdrawn | None:
    """The mark; None: the gate was not withdrawn. One that is damaged still counts as a mark."""
    try:
        told = json.loads((directory / MARK).read_bytes())
        rows = {
            str(e): (int(up_to), [int(s) for s in more])
            for e, (up_to, more) in told["acknowledged"].items()
        }
        return Withdrawn(str(told["device"]), str(told["token"]), bool(told["wiped"]), rows)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Withdrawn("", "")


def write_mark(directory: Path, mark: Withdrawn) -> None:
    """Set the mark for good. Raises OSError."""
    told = {
        "device": mark.device,
        "token": mark.token,
        "wiped": mark.wiped,
        "acknowledged": mark.acknowledged,
    }
    replace_durably(directory / MARK, json.dumps(told).encode(), mode=0o640)


def wipe(directory: Path, keep: Callable[[str], bool]) -> None:
    """Delete everything in ``directory`` whose name is not to be kept. Raises OSError.

    What flash memory keeps of a deleted file is beyond a program; see docs/adr/0021.
    """
    for path in directory.iterdir():
        if keep(path.name):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    sync_directory(directory)


def wipe_all_but_mark(directory: Path) -> None:
    """Wipe sync's directory. Raises OSError."""
    wipe(directory, lambda name: name in (MARK, LOCK))


def is_of_journal(name: str) -> bool:
    """Whether a file of scanner's directory stays: its journals, and the lock of its owner."""
    return name == LOCK or name.startswith(("journal", ".journal"))
