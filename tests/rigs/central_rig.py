"""A fresh event with a real central server: keys, policy, tickets, database, process.

with serving(tmp_path) as rig:
    rig.url, rig.enrol_token("north"), rig.root_keys, rig.keys
"""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey

from central.enrolment import new_token
from central.event import Central
from central.imports import import_tickets
from central.setup import initialise, open_central
from central.statements import publish_policy
from store.heads import head_to_json, sign_head
from store.records import Entry, Kind, Record, chain_hash, entry_to_json
from tickets.credential import Credential, Format
from tickets.csv_rows import BadRow
from tickets.key_files import Role, load_key, new_key, save_key
from tickets.keys import cti_of, ticket_key

EVENT = "FEST2026"
POLICY: dict[str, object] = {
    "lists": {"main": {}, "again": {"reentry_after_exit": True}, "hard": {"anti_passback": "hard"}},
    "products": {"9": {"name": "crew", "staff": True}},
}
CSV = (
    "id,product,entries,status\n"
    "A1,1,1,valid\nA2,1,1,valid\nA3,1,1,valid\nG4,1,4,valid\nU0,1,0,valid\n"
    "X9,1,1,cancelled\nS1,9,1,valid\n"
)
ROOT = Path(__file__).parents[2]


@dataclass
class CentralRig:
    """One event: its keys and its database, with or without a server process."""

    directory: Path
    central: Central
    url: str = ""
    process: "subprocess.Popen[str] | None" = None
    database: str = ""
    """Where it is not the SQLite file of the directory."""

    @property
    def keys(self) -> Path:
        """The key directory."""
        return self.directory / "keys"

    @property
    def db(self) -> str:
        """The address of the database."""
        return self.database or database_url(self.directory)

    @property
    def root_keys(self) -> list[str]:
        """The root public keys in base64, as admit.toml pins them."""
        return [base64.b64encode(load_key(self.keys, Role.ROOT).public).decode()]

    def enrol_token(self, gate: str) -> str:
        """A one-time token for a gate."""
        return new_token(self.central, gate)

    def key(self, ticket_id: str) -> bytes:
        """The ticket key of the signed ticket with this id."""
        cti = cti_of(self.central.event_secret, ticket_id)
        return ticket_key(self.central.event_key, Credential(Format.AD1, cti))

    def import_csv(self, text: str) -> list[BadRow]:
        """Import tickets and publish a list; return the bad rows."""
        bad: list[BadRow] = []
        import_tickets(self.central, text.encode().splitlines(keepends=True), bad.append)
        return bad

    def start(self, port: int = 0, options: Sequence[str] = ()) -> None:
        """Start a real server process on a loopback port and wait until it listens."""
        command = [sys.executable, "-P", "-m", "central", "--db", self.db, "--keys", str(self.keys)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [*command, "--port", str(port), *options],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert self.process.stdout is not None
        self.url = json.loads(self.process.stdout.readline())["url"]

    def kill(self) -> None:
        """End the server process as a power cut would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None


def database_url(directory: Path) -> str:
    """The address of the database in ``directory``."""
    return f"sqlite:///{directory}/central.db"


def make_event(
    directory: Path,
    *,
    event: str = EVENT,
    csv: str | None = CSV,
    policy: Mapping[str, object] | None = POLICY,
    now: Callable[[], float] = time.time,
    database: str = "",
) -> CentralRig:
    """Make keys, database, policy and tickets in ``directory``; no server yet.

    Args:
        database: Its address; default: an SQLite file in ``directory``.
    """
    for role in Role:
        save_key(new_key(role, event), directory / "keys")
    central = initialise(database or database_url(directory), directory / "keys", now)
    rig = CentralRig(directory, central, database=database)
    if policy is not None:
        publish_policy(rig.central, policy)
    if csv is not None:
        rig.import_csv(csv)
    return rig


@contextmanager
def serving(directory: Path, **event: Any) -> Iterator[CentralRig]:
    """`make_event` with a real server process, ended as by a power cut."""
    rig = make_event(directory, **event)
    rig.start()
    try:
        yield rig
    finally:
        rig.kill()
        rig.central.database.close()


def reopen(rig: CentralRig) -> CentralRig:
    """The same event, opened anew as after a restart."""
    central = open_central(rig.db, rig.keys, rig.central.now)
    return CentralRig(rig.directory, central, database=rig.database)


class Device:
    """A gate as central sees one: a key, calls, and a journal of its own.

    Args:
        client: `httpx.Client` or a Starlette TestClient.
    """

    def __init__(self, client: Any, token: str, gate: str) -> None:
        self.client, self.gate, self.key = client, gate, SigningKey.generate()
        self.public_key = self.key.verify_key.encode().hex()
        self.enrolled = self.enrol(token)
        self.name: str = self.enrolled.json()["device"]
        self.epoch = os.urandom(8)
        self.seq, self.head = 0, bytes(32)
        self.bearer = self.ask_token().json()["bearer"]

    def enrol(self, token: str, **changes: Any) -> Any:
        """Ask to be enrolled."""
        body = {"token": token, "public_key": self.public_key, "gate": self.gate}
        return self.client.post("/v1/enrol", json=body | {"software": "rig"} | changes)

    def ask_token(
        self, nonce: str | None = None, at: float = 1, replacing: Mapping[str, Any] | None = None
    ) -> Any:
        """Ask for a bearer token; ``replacing`` changes the body after it is signed."""
        nonce = nonce or os.urandom(16).hex()
        text = f"admit-token\n{self.name}\n{at}\n{nonce}"
        signature = base64.b64encode(self.key.sign(text.encode()).signature).decode()
        body = {"device": self.name, "at": at, "nonce": nonce, "signature": signature}
        return self.client.post("/v1/token", json=body | dict(replacing or {}))

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a call."""
        return {"Authorization": f"Bearer {self.bearer}"}

    def get(self, path: str) -> Any:
        """A call without a body."""
        return self.client.get(path, headers=self.headers)

    def post(self, path: str, body: object) -> Any:
        """A call with a JSON body."""
        return self.client.post(path, json=body, headers=self.headers)

    def claim(self, presentation: bytes, ticket_key: bytes, **changes: Any) -> Any:
        """Claim an entry right; returns the answer's JSON."""
        body = {"presentation": presentation.hex(), "ticket_key": ticket_key.hex(), "list": "main"}
        body |= {"direction": "entry", "at": 1000.0}
        return self.post("/v1/claims", body | changes).json()

    def annul(self, presentation: bytes) -> Any:
        """Annul a claim; returns the answer's JSON."""
        path = f"/v1/claims/{presentation.hex()}"
        return self.client.delete(path, headers=self.headers).json()

    def open_claims(self) -> list[str]:
        """Presentations of the claims that are open at central."""
        found = self.get("/v1/claims?open=1").json()["claims"]
        return [claim["presentation"] for claim in found]

    def signed_head(self, **changes: Any) -> dict[str, Any]:
        """Where this gate's journal stands, signed; ``changes`` are of `sign_head`'s arguments."""
        fields: dict[str, Any] = {"device": self.name, "epoch": self.epoch, "at": 1000 + self.seq}
        fields |= {"tip": (self.seq, self.head), "key": self.key}
        return head_to_json(sign_head(**(fields | changes)))

    def upload(self, *records: object, **changes: Any) -> list[dict[str, Any]]:
        """Upload records (JSON) with a head; returns the answers."""
        return self.send(*records, **changes)["answers"]  # type: ignore[no-any-return]

    def send(self, *records: object, **changes: Any) -> dict[str, Any]:
        """As `upload`; returns the whole answer. ``changes``: see `signed_head`."""
        head = self.signed_head(**changes)
        body = {"epoch": self.epoch.hex(), "head": head, "records": list(records)}
        answer: dict[str, Any] = self.post("/v1/records", body).json()
        return answer

    def record(self, kind: Kind, presentation: bytes | None = None, **facts: Any) -> dict[str, Any]:
        """The next record of this gate's journal, as JSON."""
        self.seq += 1
        facts = {"at": 1000.0 + self.seq, "event": EVENT, "lane": "1"} | facts
        row = Record(kind=kind, presentation=presentation, **facts)
        digest = chain_hash(self.seq, self.head, row)
        entry = Entry(self.seq, row, self.head, digest)
        self.head = digest
        return entry_to_json(entry)

    def scan(self, presentation: bytes, ticket_key: bytes, **facts: Any) -> dict[str, Any]:
        """The record of a scan that admitted somebody to list `main`."""
        scan = {"ticket_key": ticket_key, "list": "main", "direction": "entry"}
        return self.record(Kind.SCAN, presentation, **(scan | {"verdict": "admitted"} | facts))

    def outcome(
        self, presentation: bytes, kind: Kind = Kind.PASSAGE, **facts: Any
    ) -> dict[str, Any]:
        """The record of an outcome."""
        return self.record(kind, presentation, **facts)
