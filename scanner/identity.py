"""Who this gate is to the server, as sync saved it when the gate was enrolled."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from scanner.admissions import NotReady
from store.files import read_foreign
from store.withdrawn import CAUSE, REMEDY, is_withdrawn
from tickets.secret import SecretBytes

MAX_IDENTITY = 64 * 1024
NOT_ENROLLED = {
    "admit": ("the gate is not enrolled yet", "Check the server's address and the token"),
    "file": (
        "the gate is not enrolled yet",
        "Put in the stick; its number for 'admit central stick DIR --enrol' is told as a fault",
    ),
    "pretix": (
        "the gate is not enrolled at pretix yet",
        "Show the set-up code of the device's page in pretix to a camera of this gate, or copy url "
        "and token from there into [server] of admit.toml",
    ),
    "none": (
        "this gate stands alone and was never given the keys and tickets of an event",
        'Write kind = "file" and make a stick for it, or name a server, in [server] of admit.toml',
    ),
}
"""(cause, remedy) of a gate without an identity, by the kind of its server."""


_DAMAGED = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What comes of a file that somebody else wrote, who may be anybody once sync is hacked."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What the server gave this gate."""

    device: str
    """Names this gate among the devices of the server."""
    event_key: SecretBytes
    """32 bytes; keys the hashes that stand for tickets."""
    roots: tuple[bytes, ...] = ()
    """32 bytes each: whose lists are believed, where admit.toml names no roots. Only with pretix:
    the key of the gate's own notary."""

    @classmethod
    def read(cls, path: Path, event: str, kind: str = "admit") -> Self:
        """Read the file. Raises NotReady: not enrolled yet, damaged, or another event's.

        Args:
            kind: Of the server in admit.toml: who has none is not told to look for it.
        """
        if is_withdrawn(path.parent):
            raise NotReady(CAUSE, NOT_ENROLLED[kind][1] if kind == "pretix" else REMEDY)
        try:
            body = json.loads(read_foreign(path, MAX_IDENTITY))
            roots = tuple(bytes.fromhex(key) for key in body.get("roots", []))
            identity = cls(str(body["device"]), SecretBytes.fromhex(body["event_key"]), roots)
            if kind == "pretix" and [len(key) for key in roots] != [32]:
                raise ValueError("no key of its own notary")
            found = str(body["event"])
            if len(identity.event_key) != 32:
                raise ValueError(f"an event key of {len(identity.event_key)} bytes")
        except FileNotFoundError:
            raise NotReady(*NOT_ENROLLED[kind]) from None
        except _DAMAGED as error:
            raise NotReady(
                f"the gate's identity cannot be read: {error}", "Enrol the gate again"
            ) from error
        if found != event:
            raise NotReady(
                f"the gate is enrolled for event {found[:20]}, not {event}",
                "Correct [gate] event, or enrol the gate again with a new token",
            )
        return identity
