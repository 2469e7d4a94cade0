"""Who this gate is to the server, as sync saved it when the gate was enrolled."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from scanner.admissions import NotReady

MAX_IDENTITY = 64 * 1024


@dataclass(frozen=True, slots=True)
class Identity:
    """What the server gave this gate."""

    device: str
    """Names this gate among the devices of the server."""
    event_key: bytes
    """32 bytes; keys the hashes that stand for tickets."""

    @classmethod
    def read(cls, path: Path, event: str) -> Self:
        """Read the file. Raises NotReady: not enrolled yet, damaged, or another event's."""
        try:
            body = json.loads(path.read_bytes()[:MAX_IDENTITY])
            identity = cls(str(body["device"]), bytes.fromhex(body["event_key"]))
            found = str(body["event"])
            if len(identity.event_key) != 32:
                raise ValueError(f"an event key of {len(identity.event_key)} bytes")
        except FileNotFoundError:
            raise NotReady(
                "the gate is not enrolled yet", "Check the server's address and the token"
            ) from None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise NotReady(
                f"the gate's identity cannot be read: {error}", "Enrol the gate again"
            ) from error
        if found != event:
            raise NotReady(
                f"the gate is enrolled for event {found[:20]}, not {event}",
                "Correct [gate] event, or enrol the gate again with a new token",
            )
        return identity
