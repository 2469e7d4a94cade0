"""What must be there before the curtain rises: keys, the server's database, the gate's file."""

import json
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from central import enrolment, imports, setup, statements
from central.event import Central
from playground.errors import PlaygroundError
from playground.tray import EVENT, POLICY, Tray
from tickets.csv_rows import BadRow
from tickets.key_files import Role, load_key, new_key, save_key

GATE = "north"
LANES = {"entry": "entry", "exit": "exit"}
"""Name and direction of each lane."""
TAP_LANE = "entry"
"""The lane with an NFC reader."""
LONGEST_BASE = 80
"""Bytes of the directory's path: sockets below it have at most 107. Source: unix(7)."""

_GATE = """\
[gate]
name = "{gate}"
event = "{event}"
fire = "input:file:{base}/run/fire"

[trust]
root_keys = ["{root}"]

[server]
url = "http://127.0.0.1:{port}"
token = "{token}"

[screen]
languages = ["en", "de", "fr", "es"]

[clock]
trust_system = true
simulated = {clock}
"""

_LANE = """
[[lane]]
name = "{name}"
direction = "{direction}"
check_in_list = "main"
readers = [{readers}]
turnstile = "turnstile:sim:{name}?passage=0.7&tell={base}/run/spectator.sock"
lights = "lights:sim:{name}?tell={base}/run/spectator.sock"
release_for = 3.0
settle = 1.0
"""


@dataclass(frozen=True, slots=True)
class Props:
    """A directory with all of it."""

    base: Path
    central: Central
    tray: Tray

    @property
    def run(self) -> Path:
        """Where the gate's sockets are."""
        return self.base / "run"

    @property
    def state(self) -> Path:
        """Where the gate keeps its journal and lists."""
        return self.base / "state"

    @property
    def keys(self) -> Path:
        """The event's key directory."""
        return self.base / "keys"

    @property
    def database(self) -> str:
        """The URL of the server's database."""
        return f"sqlite:///{self.base}/central.db"

    @property
    def config(self) -> Path:
        """The gate's provisioning file."""
        return self.base / "admit.toml"

    def camera(self, lane: str) -> Path:
        """The socket that a lane's simulated camera connects to."""
        return self.run / f"camera-{lane}.sock"

    @property
    def cards(self) -> Path:
        """The socket that the simulated NFC reader connects to."""
        return self.run / "cards.sock"

    @property
    def spectator(self) -> Path:
        """The socket that the simulated metal tells what was done to it."""
        return self.run / "spectator.sock"

    @property
    def clock(self) -> Path:
        """The file that the gate's clock obeys."""
        return self.run / "clock"

    @property
    def fire(self) -> Path:
        """The file that is the fire contact."""
        return self.run / "fire"

    def add_guests(self) -> None:
        """Sell more tickets."""
        imports.import_tickets(self.central, self.tray.more_guests(datetime.now(UTC)), _no_row)

    def write_config(self, port: int, webcam: str | None) -> None:
        """Write the gate's file, for a server behind this port of loopback."""
        # As a part of a URI: a space or a quotation mark in the path is no end of it.
        base, root = quote(str(self.base)), load_key(self.keys, Role.ROOT)
        token = enrolment.new_token(self.central, GATE)
        text = _GATE.format(
            gate=GATE,
            event=EVENT,
            base=base,
            root=b64encode(root.public).decode(),
            port=port,
            token=token,
            clock=json.dumps(str(self.clock)),
        )
        for name, direction in LANES.items():
            readers = [f"camera:sim:{quote(str(self.camera(name)))}"]
            if webcam is not None and direction == "entry":
                readers.append(f"camera:v4l2:{quote(webcam)}")
            if name == TAP_LANE:
                readers.append(f"nfc:sim:{quote(str(self.cards))}")
            quoted = ", ".join(f'"{uri}"' for uri in readers)
            text += _LANE.format(name=name, direction=direction, base=base, readers=quoted)
        self.config.write_text(text, "utf-8")


def make_props(base: Path) -> Props:
    """Make an event of its own in the empty directory ``base``.

    Raises:
        PlaygroundError: its path is too long for sockets below it.
    """
    if len(str(base).encode()) > LONGEST_BASE:
        raise PlaygroundError(
            f"{base} is a path of more than {LONGEST_BASE} bytes",
            "Name a directory nearer to the root: Linux allows sockets no longer paths",
        )
    keys = base / "keys"
    for role in Role:
        save_key(new_key(role, EVENT), keys)
    for name in ("run", "state/sync"):
        (base / name).mkdir(parents=True)
    central = setup.initialise(f"sqlite:///{base}/central.db", keys)
    statements.publish_policy(central, POLICY)
    tray = Tray(load_key(keys, Role.ISSUER), load_key(keys, Role.EVENT).secret)
    props = Props(base, central, tray)
    props.add_guests()
    return props


def _no_row(row: BadRow) -> None:
    raise AssertionError(f"the playground's own list has a fault: {row}")
