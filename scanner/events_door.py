"""events.sock: status and live events, for screens and followers."""

import json
from pathlib import Path
from typing import Any

from scanner.gate import Gate
from scanner.sockets import Answer, Peer, PeerMessage


class EventsDoor:
    """Tells; takes no orders."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def answer(self, peer: Peer, message: dict[str, Any]) -> Answer:
        """Answer one message."""
        if message.get("op") == "status":
            return {"status": self._gate.status()}
        if message.get("op") != "events":
            raise PeerMessage(f"events.sock has no op {message.get('op')!r}", "See docs/ipc.md")
        after, newest = int(message.get("after", -1)), self._gate.events.seq
        peer.wants_names = message.get("names") is True
        # A number from before a restart is larger than any of ours: send what there is.
        peer.events_after = newest if after < 0 else after if after <= newest else 0
        return None


def feed(gate: Gate, peer: Peer) -> bool:
    """Send a subscriber what is new for it; False when it does not keep up."""
    if peer.events_after is not None:
        while news := gate.events.after(peer.events_after):
            for event in news:
                if not peer.send({"event": event}):
                    return False
                peer.events_after = event["seq"]
    if peer.follows and (head := gate.journal.head()) != peer.told:
        peer.told = head
        return peer.send({"head": head})
    return True


def write_status(path: Path, status: dict[str, Any]) -> None:
    """Put `status.json` in place by rename, for a screen that outlives scanner."""
    aside = path.with_suffix(".new")
    aside.write_text(json.dumps(status), "utf-8")
    aside.chmod(0o644)
    aside.rename(path)
