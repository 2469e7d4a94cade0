"""Many gates against one central server, simulated in one process: what they ask, hear and keep.

`python -P -m benchmarks.central_gates PLAN.json` plays a plan and prints what came of it as JSON.
A gate here is two connections' worth of calls: it claims, uploads the scan with its outcome,
annuls now and then, and drains a backlog in batches, as `sync` does.
"""

import asyncio
import base64
import json
import os
import random
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from nacl.signing import SigningKey

from store.heads import head_to_json, sign_head
from store.records import GENESIS, Entry, Kind, Record, chain_hash, entry_to_json

TURNED_BACK = 0.1
"""Share of guests who do not walk through."""


@dataclass
class Heard:
    """What all gates together have done and been told."""

    claim_s: list[float] = field(default_factory=list)
    upload_s: list[float] = field(default_factory=list)
    taken: int = 0
    records: int = 0
    not_stored: int = 0
    busy: int = 0
    """Answers 503; the call was made again, as a gate does."""
    entered: dict[str, list[str]] = field(default_factory=dict)
    """Presentations that went through, by ticket key."""
    refused: list[str] = field(default_factory=list)
    """Answers that were none."""


class Line:
    """One kept-alive HTTP/1.1 connection; no more of HTTP than this server speaks."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        self.bearer = ""

    async def open(self) -> None:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Send a call and wait for its answer; (status, JSON)."""
        raw = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Length: {len(raw)}\r\n"
        head += f"Authorization: Bearer {self.bearer}\r\n\r\n"
        self._writer.write(head.encode() + raw)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        return int(answer[9:12]), json.loads(await self._reader.readexactly(length))

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


class Gate:
    """One gate with a journal of its own."""

    def __init__(self, plan: dict[str, Any], number: int, heard: Heard) -> None:
        self._plan, self.heard = plan, heard
        self._name, self._token = plan["gates"][number]
        self._chance = random.Random(number)
        self._key, self._epoch = SigningKey(os.urandom(32)), os.urandom(8).hex()
        self._seq, self._head, self._device = 0, GENESIS, ""
        self.line = Line(plan["url"])

    async def enrol(self) -> None:
        """Become a device and get a bearer."""
        await self.line.open()
        body = {"token": self._token, "gate": self._name, "software": "bench"}
        body["public_key"] = self._key.verify_key.encode().hex()
        status, told = await self.line.ask("POST", "/v1/enrol", body)
        assert status == 201, told
        self._device = told["device"]
        nonce = os.urandom(16).hex()
        signed = self._key.sign(f"admit-token\n{told['device']}\n0\n{nonce}".encode()).signature
        request = {"device": told["device"], "at": 0, "nonce": nonce}
        request["signature"] = base64.b64encode(signed).decode()
        status, told = await self.line.ask("POST", "/v1/token", request)
        assert status == 200, told
        self.line.bearer = told["bearer"]
        self.line.close()

    async def guests(self, count: int, every: float) -> None:
        """Let ``count`` guests come, one each ``every`` seconds (0: as soon as may be)."""
        due = time.monotonic() + self._chance.random() * every
        for _ in range(count):
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due += every
            await self._guest(self._chance.choice(self._plan["tickets"]))

    async def _ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """A call, again while the server is busy."""
        while True:
            status, told = await self.line.ask(method, path, body)
            if status != 503:
                return status, told
            self.heard.busy += 1
            await asyncio.sleep(0.2 + self._chance.random())

    async def _guest(self, ticket: str) -> None:
        presentation = self._chance.randbytes(16).hex()
        claim = {"presentation": presentation, "ticket_key": ticket, "list": "main"}
        began = time.monotonic()
        status, told = await self._ask(
            "POST", "/v1/claims", claim | {"direction": "entry", "at": 1000.0}
        )
        self.heard.claim_s.append(time.monotonic() - began)
        if status != 200:
            self.heard.refused.append(f"claim: {status} {told}")
        elif told["result"] == "granted":
            await self._let_in(ticket, presentation)
        else:
            self.heard.taken += 1

    async def _let_in(self, ticket: str, presentation: str) -> None:
        turned_back = self._chance.random() < TURNED_BACK
        if turned_back:
            await self._ask("DELETE", f"/v1/claims/{presentation}")
        else:
            self.heard.entered.setdefault(ticket, []).append(presentation)
        kind = Kind.NO_PASSAGE if turned_back else Kind.PASSAGE
        await self._upload([self._scan(ticket, presentation), self._record(kind, presentation)])

    async def backlog(self, batches: int, size: int) -> None:
        """Send what an hour without a network left: entries on a list of its own."""
        for _ in range(batches):
            records = []
            for _ in range(size // 2):
                presentation = self._chance.randbytes(16).hex()
                ticket = self._chance.randbytes(16).hex()
                self.heard.entered.setdefault(ticket, []).append(presentation)
                records.append(self._scan(ticket, presentation))
                records.append(self._record(Kind.PASSAGE, presentation))
            await self._upload(records)

    async def _upload(self, records: list[dict[str, Any]]) -> None:
        tip = self._seq, self._head
        signed = sign_head(
            self._key, self._device, bytes.fromhex(self._epoch), tip, int(time.time())
        )
        body = {"epoch": self._epoch, "head": head_to_json(signed), "records": records}
        began = time.monotonic()
        status, told = await self._ask("POST", "/v1/records", body)
        self.heard.upload_s.append(time.monotonic() - began)
        if status != 200:
            self.heard.refused.append(f"records: {status} {told}")
            return
        self.heard.records += len(records)
        self.heard.not_stored += sum(
            a["result"] not in ("stored", "duplicate") for a in told["answers"]
        )

    def _scan(self, ticket: str, presentation: str) -> dict[str, Any]:
        facts = {"ticket_key": bytes.fromhex(ticket), "list": "main", "direction": "entry"}
        return self._record(Kind.SCAN, presentation, **facts, verdict="admitted", format="AD1")

    def _record(self, kind: Kind, presentation: str, **facts: Any) -> dict[str, Any]:
        self._seq += 1
        row = Record(
            kind, bytes.fromhex(presentation), 1000.0 + self._seq, event=self._plan["event"],
            lane="1", **facts,
        )  # fmt: skip
        entry = Entry(self._seq, row, self._head, chain_hash(self._seq, self._head, row))
        self._head = entry.hash
        return entry_to_json(entry)


async def play(plan: dict[str, Any]) -> dict[str, Any]:
    """Play the plan's three parts, each for itself; what was heard in each."""
    gates, parts = [], {}
    heard = Heard()
    for number in range(len(plan["gates"])):
        gates.append(Gate(plan, number, heard))
    for start in range(0, len(gates), 20):
        await asyncio.gather(*(gate.enrol() for gate in gates[start : start + 20]))
    for name, (count, every) in plan["guests"].items():
        parts[name] = await _part(gates, [gate.guests(count, every) for gate in gates])
    backlog = [gate.backlog(*plan["backlog"]) for gate in gates]
    parts["backlog"] = await _part(gates, backlog)
    return parts


async def _part(gates: list[Gate], work: list[Any]) -> dict[str, Any]:
    heard = Heard()
    for gate in gates:
        gate.heard = heard
        await gate.line.open()  # anew: the server ends what was idle for long
    _say("begin")
    began = time.monotonic()
    await asyncio.gather(*work)
    took = time.monotonic() - began
    _say("end")
    for gate in gates:
        gate.line.close()
    return {"seconds": took} | heard.__dict__


def _say(word: str) -> None:
    """Let the parent read the server's CPU time before it goes on."""
    sys.stdout.write(word + "\n")
    sys.stdout.flush()
    sys.stdin.readline()


if __name__ == "__main__":
    heard_ = asyncio.run(play(json.loads(Path(sys.argv[1]).read_text("utf-8"))))
    Path(sys.argv[2]).write_text(json.dumps(heard_), "utf-8")
