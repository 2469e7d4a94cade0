"""One process owns a state directory: a lock that ends with the process that holds it (I6)."""

import fcntl
import os
from pathlib import Path

from tickets.errors import GateError


class AlreadyRunning(GateError):
    """Another process owns this state directory."""


class NoSuchState(GateError):
    """The state directory is not there, or may not be used."""


def take_ownership(directory: Path, process: str = "scanner") -> int:
    """Lock `directory` for this process's life; returns the descriptor that holds the lock.

    Raises:
        AlreadyRunning: another process holds it.
        NoSuchState: the directory is missing, no directory, or not ours to use.
    """
    try:
        handle = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise NoSuchState(
            f"the state directory {directory} cannot be used: {error.strerror}",
            "Check --state and its rights",
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise AlreadyRunning(
            f"another {process} is running on {directory}",
            f"Stop it first ('systemctl stop admit-{process}'), or choose another --state",
        ) from None
    return handle


def has_owner(directory: Path) -> bool:
    """Whether a process holds `take_ownership` of this directory now."""
    try:
        handle = os.open(directory / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # no scanner ever ran here, or we may not look: opening the journal says which
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
