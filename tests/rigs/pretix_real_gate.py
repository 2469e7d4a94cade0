"""A gate as it is delivered, at a pretix server: see `real_gate`.

with PretixRealGate(tmp_path, "north", server.url, f'token = "{device.token}"', "door") as gate:
    gate.start(); gate.ready(None); gate.present("secret")["verdict"]
"""

import json
import subprocess
import threading
from collections.abc import Iterable
from pathlib import Path

from config.read import read_config
from tests.rigs.real_gate import LANE, Event, RealGate

CONFIG = """\
[gate]
name = "{name}"
event = "PTX"

[server]
kind = "pretix"
url = "{url}"
{more}

[policy]
list_required = {list_required}

[screen]
port = 8098
"""


class PretixRealGate(RealGate):
    """One gate of a pretix organizer, in a directory of its own."""

    def __init__(
        self,
        directory: Path,
        name: str,
        url: str,
        more: str,
        check_in_list: str,
        *,
        list_required: bool = True,
        lanes: Iterable[str] = ("entry",),
    ) -> None:
        """`more`: further lines of [server], such as the token."""
        self.directory, self.name = directory / name, name
        self.run, self.state = self.directory / "run", self.directory / "state"
        self.lanes = tuple(lanes)
        self.events: list[Event] = []
        self.parts: dict[str, subprocess.Popen[bytes]] = {}
        self._heard = threading.Condition()
        self._closed = False
        for path in (self.run, self.state / "sync"):
            path.mkdir(parents=True)
        required = json.dumps(list_required)
        text = CONFIG.format(name=name, url=url, more=more, list_required=required)
        for lane in self.lanes:
            text += LANE.format(name=lane, readers=json.dumps(self._readers(lane, 1))).replace(
                'check_in_list = "main"', f'check_in_list = "{check_in_list}"'
            )
        self.config = self.directory / "admit.toml"
        self.config.write_text(text)
        read_config(self.config)
