"""The organiser has revoked this device: what a thief could use is deleted, and stays so.

Scans are scanner's and are kept. What is left of tickets, in the mirror and in scanner's own files,
are hashes by a key that is gone. Source: pretix 2026.8, "Device authentication": a revoked device
has to delete what it downloaded.
"""

import json
from pathlib import Path

from store.files import replace_durably, sync_directory
from sync.pretix.enrolment import PRETIX_FILE

MARKER = "revoked.json"
_FILES = (PRETIX_FILE, "identity.json", "pretix.db", "pretix.db-wal", "pretix.db-shm")
_PATTERNS = ("pretix-list-*", "list-*.db*", "pretix.db.damaged*")


def wipe(directory: Path, url: str) -> None:
    """Delete token, keys and tickets of this enrolment. A crash midway is finished at the start."""
    replace_durably(directory / MARKER, json.dumps({"url": url}).encode(), mode=0o600)
    found = [directory / name for name in _FILES]
    found += [path for pattern in _PATTERNS for path in directory.glob(pattern)]
    for path in found:
        path.unlink(missing_ok=True)
    sync_directory(directory)


def revoked_by(directory: Path) -> str | None:
    """Address of the server that revoked the last enrolment; None: none did."""
    try:
        return str(json.loads((directory / MARKER).read_bytes())["url"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):  # torn: that it is there says enough
        return "pretix"


def forgive(directory: Path) -> None:
    """A new enrolment is saved: the gate may work again."""
    (directory / MARKER).unlink(missing_ok=True)
