"""The demonstration: an event, a server, a gate, and tickets that show themselves."""

import queue
import signal
import socket
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import segno

from central import enrolment, imports, setup, statements
from cli.children import Child
from cli.gate_client import GateClient, GateNotRunning
from cli.run import gate_children
from config.read import read_config
from tickets.ad1 import sign, to_qr_text
from tickets.cose import key_id, public_key_of
from tickets.credential import Credential, Format
from tickets.key_files import Role, SecretKey, load_key, new_key, save_key
from tickets.keys import cti_of, ticket_key

EVENT = "DEMO"
VISITORS = 400
READY_WITHIN = 30.0
VERDICT_WITHIN = 15.0
FORGER = b"\x66" * 32
"""A seed that is no issuer's: its tickets look right and are not."""

POLICY: dict[str, object] = {
    "lists": {
        "main": {"products": [1, 2], "reentry_after_exit": True},
    },
    "products": {
        "1": {"name": "Day ticket"},
        "2": {"name": "Concession", "attention": "concession: check the pass"},
        "3": {"name": "Backstage"},
    },
}

CONFIG = """\
[gate]
name = "north"
event = "{event}"

[trust]
root_keys = ["{root}"]

[server]
url = "http://127.0.0.1:{central}"
token = "{token}"

[screen]
port = {screen}
languages = ["en", "de", "fr", "es"]

[[lane]]
name = "entry"
direction = "entry"
check_in_list = "main"
readers = ["camera:files:{base}/camera-entry?hold=1.0&blank=2.0"]
turnstile = "turnstile:sim?passage=0.6"
lights = "lights:sim"

[[lane]]
name = "exit"
direction = "exit"
check_in_list = "main"
readers = ["camera:files:{base}/camera-exit?hold=1.0&blank=2.0"]
turnstile = "turnstile:sim?passage=0.6"
lights = "lights:sim"
"""


@dataclass(frozen=True, slots=True)
class Act:
    """One ticket held up to one lane, and what should come of it."""

    lane: str
    what: str
    ticket: str
    expected: str
    forged: bool = False


def acts() -> Iterator[Act]:
    """For ever: each kind of ticket in turn."""
    number = 0
    while True:
        number = number % (VISITORS - 2) + 1
        guest, child = f"guest-{number}", f"child-{number}"
        yield Act("entry", "a valid ticket", guest, "admitted")
        yield Act("entry", "the same ticket again", guest, "already_redeemed")
        yield Act("entry", "a forged ticket", guest, "forged", forged=True)
        yield Act("entry", "a cancelled ticket", "cancelled", "cancelled")
        yield Act("entry", "tomorrow's ticket", "tomorrow", "too_early")
        yield Act("entry", "a backstage ticket", "backstage", "wrong_list")
        yield Act("entry", "a child's ticket", child, "admitted")
        yield Act("exit", "the guest leaves", guest, "admitted")


SHOWN_ONCE = 8
"""Acts in one round of `acts`."""


def csv_lines(now: datetime) -> Iterator[bytes]:
    """The organiser's table."""
    tomorrow = (now + timedelta(days=1)).isoformat(timespec="seconds")
    yield b"id,product,status,valid_from\n"
    for number in range(1, VISITORS):
        yield f"guest-{number},1,valid,\n".encode()
        yield f"child-{number},2,valid,\n".encode()
    yield b"cancelled,1,cancelled,\n"
    yield f"tomorrow,1,valid,{tomorrow}\n".encode()
    yield b"backstage,3,valid,\n"


class Show:
    """Sets the stage in a directory and plays."""

    def __init__(self, base: Path, every: float) -> None:
        self.base, self.every = base, every
        self.run, self.state = base / "run", base / "state"
        self.central_port, self.screen_port = free_port(8470), free_port(8080)
        self._verdicts: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._children: list[Child] = []
        self._stop = threading.Event()

    def play(self, once: bool) -> int:
        """Set up, show tickets until interrupted (or each once); 0: all as expected."""
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # clean up after a kill, too
        try:
            self._set_up()
            keeper = threading.Thread(target=self._keep, daemon=True)
            keeper.start()
            self._wait_until_ready()
            self._explain()
            return self._show(once)
        except KeyboardInterrupt:
            return 0
        finally:
            self._stop.set()
            for child in self._children:
                child.kill()

    # -- the stage -----------------------------------------------------------------------------

    def _set_up(self) -> None:
        keys = self.base / "keys"
        for role in Role:
            save_key(new_key(role, EVENT), keys)
        for name in ("camera-entry", "camera-exit", "run", "state/sync"):
            (self.base / name).mkdir(parents=True)
        url = f"sqlite:///{self.base}/central.db"
        central = setup.initialise(url, keys)
        statements.publish_policy(central, POLICY)
        imports.import_tickets(central, csv_lines(datetime.now(UTC)), print)
        self._issuer, self._event_key = load_key(keys, Role.ISSUER), load_key(keys, Role.EVENT)
        file = self._write_config(load_key(keys, Role.ROOT), enrolment.new_token(central, "north"))
        serve = ["central", "--db", url, "--keys", str(keys), "--port", str(self.central_port)]
        gate = gate_children(read_config(file), file, self.state, self.run)
        self._children = [Child(serve), *gate]

    def _write_config(self, root: SecretKey, token: str) -> Path:
        file = self.base / "admit.toml"
        text = CONFIG.format(
            event=EVENT,
            root=b64encode(root.public).decode(),
            central=self.central_port,
            screen=self.screen_port,
            token=token,
            base=self.base,
        )
        file.write_text(text, "utf-8")
        return file

    def _keep(self) -> None:
        while not self._stop.wait(0.1):
            for child in self._children:
                child.keep(time.monotonic())

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + READY_WITHIN
        while True:
            try:
                with GateClient(self.run, "events") as gate:
                    status = gate.ask(op="status")["status"]
                if status["ready"] and status["authority"]["state"] == "in":
                    break
                missing = "; ".join(fault["cause"] for fault in status["faults"])
            except GateNotRunning as error:
                missing = error.cause
            if time.monotonic() > end:
                raise GateNotRunning(f"the gate did not get ready: {missing}", "See its log above")
            time.sleep(0.2)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        """Collect verdicts for ever; a gate that is killed is found again."""
        while not self._stop.is_set():
            try:
                with GateClient(self.run, "events") as gate:
                    for event in gate.events(-1, patience=None):
                        if event["kind"] == "verdict":
                            self._verdicts.put(event)
            except GateNotRunning:
                self._stop.wait(0.5)

    def _explain(self) -> None:
        page = f"http://127.0.0.1:{self.screen_port}"
        print(
            f"""
Admit is running: one server, one gate with two lanes. Open in a browser:

  {page}/steward       what the steward sees
  {page}/lane/entry    what the guest sees at the entrance
  {page}/lane/exit     and at the exit
  http://127.0.0.1:{self.central_port}/               what has arrived at the server

Tickets now show themselves, one every {self.every:.0f} s: real QR pixels, a drawn turnstile.
Elsewhere, try:   {Path(sys.executable).with_name("admit")} events --follow --run {self.run}
Ctrl-C ends it all.
""",
            flush=True,
        )

    # -- the play ------------------------------------------------------------------------------

    def _show(self, once: bool) -> int:
        wrong = 0
        for number, act in enumerate(acts(), 1):
            began = time.monotonic()
            self._hold_up(act, number)
            wrong += not self._judge(act)
            if once and number == SHOWN_ONCE:
                break
            time.sleep(max(0.0, self.every - (time.monotonic() - began)))
        return 1 if wrong else 0

    def _hold_up(self, act: Act, number: int) -> None:
        """Put the ticket's picture before the lane's camera."""
        folder = self.base / f"camera-{act.lane}"
        aside = folder / f".{number}.png"
        segno.make(self._code(act), error="q", mode="alphanumeric", boost_error=False).save(
            str(aside), scale=5, border=4, kind="png"
        )
        aside.rename(folder / f"{number:06}.png")

    def _code(self, act: Act) -> str:
        seed = FORGER if act.forged else self._issuer.secret
        kid = key_id(public_key_of(seed))
        product = 3 if act.ticket == "backstage" else 2 if act.ticket.startswith("child") else 1
        cti = cti_of(self._event_key.secret, act.ticket)
        return to_qr_text(sign(seed, kid, EVENT, cti, product=product))

    def _judge(self, act: Act) -> bool:
        """Print the verdict beside what was shown; whether it was the expected one."""
        event = self._verdict_on(act)
        found = str(event.get("reason") or event["verdict"])
        at = f"{datetime.fromtimestamp(event['at'], UTC):%H:%M:%S}"
        more = event.get("attention") or event.get("detail") or ""
        mark = "" if found == act.expected else f"   EXPECTED {act.expected}"
        print(f"{at}  {act.lane:<6} {act.what:<22} {found:<17} {more}{mark}", flush=True)
        return found == act.expected

    def _verdict_on(self, act: Act) -> dict[str, Any]:
        """The gate's verdict on this very ticket; others may be shown in between by hand."""
        cti = cti_of(self._event_key.secret, act.ticket)
        key = ticket_key(self._event_key.secret, Credential(Format.AD1, cti))
        masked = None if act.forged else key.hex()[-4:]
        end = time.monotonic() + VERDICT_WITHIN
        while (left := end - time.monotonic()) > 0:
            try:
                event = self._verdicts.get(timeout=left)
            except queue.Empty:
                break
            if (event["lane"], event.get("ticket")) == (act.lane, masked):
                return event
        return {"at": time.time(), "verdict": "no verdict"}


def free_port(wanted: int) -> int:
    """The port wanted if nobody has it, else any free one, on loopback."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise GateNotRunning("no free port on this computer", "Close some programs and try again")
