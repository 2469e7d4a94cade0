"""`admit read`: what codes are in these pictures, and are they tickets? Changes nothing."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from admission import clock
from admission.clock import ClockState
from admission.decide import Facts, decide
from admission.direction import Direction
from admission.rules import CheckInList, GatePolicy, Product
from admission.verdict import Verdict
from cli.gate_client import GateClient
from drivers.errors import PictureError
from drivers.pictures import load_picture
from drivers.qr import read_codes
from tickets.credential import Credential, Flaw, Format, Rejection
from tickets.key_files import Role, key_path, load_key
from tickets.parse import parse
from tickets.trust import Trust, trust_of

SHOWN = 48
"""Bytes of a payload in the table; --json has all of them."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the gate would say of a payload, as far as it can be known here; None: it cannot."""

    format: str | None
    verdict: str | None
    reason: str | None


Judge = Callable[[bytes], Judgement]


@dataclass(frozen=True, slots=True)
class Reading:
    """One code of a picture; ``payload`` is None when it has none, or cannot be read."""

    image: Path
    payload: bytes | None = field(default=None, repr=False)
    judgement: Judgement = Judgement(None, None, None)
    error: PictureError | None = None

    def as_json(self) -> dict[str, object]:
        """The object that ``--json`` prints."""
        payload = None if self.payload is None else base64.b64encode(self.payload).decode("ascii")
        shown: dict[str, object] = {"image": str(self.image), "payload": payload}
        judged = self.judgement
        shown |= {"format": judged.format, "verdict": judged.verdict, "reason": judged.reason}
        if self.error is not None:
            shown["error"] = {"cause": self.error.cause, "remedy": self.error.remedy}
        return shown


def read(
    images: Annotated[list[Path], typer.Argument(help="Pictures: PNG, JPEG, BMP or WebP")],
    keys: Annotated[
        Path | None, typer.Option(help="Directory that 'admit keys new' has made: check signatures")
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help="Sockets of a running gate: ask it, changing nothing")
    ] = None,
    lane: Annotated[str | None, typer.Option(help="With --run: which lane")] = None,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object per code")] = False,
) -> None:
    """Show every QR code in IMAGES, largest first, what it is, and whether it would be admitted.

    With --run a running gate says so, by its list and journal. With --keys the signature and the
    times decide; list and journal are not asked. With neither, only what no key could make right
    is refused, and the verdict of the rest is null.

    Exits with 0 when every picture was read, whether it holds a code or not, and with 1 when one
    could not be. The payload of a ticket is as secret as the ticket.
    """
    judge = _judge(keys, run, lane)
    table = _table()
    failed = False
    for reading in readings(images, judge):
        failed |= reading.error is not None
        if json_:
            print(json.dumps(reading.as_json()), flush=True)
        else:
            _add_row(table, reading)
    if not json_:
        Console().print(table)
    if failed:
        raise typer.Exit(1)


def readings(images: list[Path], judge: Judge) -> Iterator[Reading]:
    """Read one picture after the other; each gives at least one reading."""
    for image in images:
        try:
            payloads = read_codes(load_picture(image))
        except PictureError as error:
            yield Reading(image, error=error)
            continue
        for payload in payloads:
            yield Reading(image, payload, judge(payload))
        if not payloads:
            yield Reading(image)


def judge_without_keys(payload: bytes) -> Judgement:
    """Tell the format, and what is wrong with codes that no key could make right."""
    found = parse(payload, Trust("", {}))
    if isinstance(found, Credential) or found.flaw is not Flaw.UNREADABLE:
        return Judgement(found.format, None, None)
    return Judgement(found.format, "refused", found.flaw)


def judge_by(directory: Path) -> Judge:
    """Return a judge that knows the issuers in a key directory: signature and times decide.

    Raises:
        KeyFault: there is no issuer key, or it cannot be read.
    """
    issuer = load_key(directory, Role.ISSUER)
    wallet = [Role.WALLET] if key_path(directory, Role.WALLET).exists() else []
    issuers = [issuer, *(load_key(directory, role) for role in wallet)]
    trust = trust_of(issuer.event, {key.kid: key.public for key in issuers})

    def judge(payload: bytes) -> Judgement:
        found = parse(payload, trust)
        if isinstance(found, Credential) and found.format is Format.OPAQUE:
            return Judgement(found.format, None, None)
        verdict = decide(_signature_alone(found)).verdict
        return Judgement(found.format, *_words(verdict))

    return judge


def judge_at(run: Path, lane: str | None) -> Judge:
    """Return a judge that asks a running gate what it would say.

    Raises:
        GateNotRunning: no gate answers there.
    """
    with GateClient(run, "events") as gate:
        lanes = [entry["name"] for entry in gate.ask(op="status")["status"]["lanes"]]

    def judge(payload: bytes) -> Judgement:
        code = base64.b64encode(payload).decode("ascii")
        with GateClient(run, "control") as gate:
            answer = gate.ask(op="judge", lane=lane or lanes[0], payload=code)
        return Judgement(answer["format"], answer["verdict"], answer["reason"])

    return judge


def _judge(keys: Path | None, run: Path | None, lane: str | None) -> Judge:
    if run is not None:
        return judge_at(run, lane)
    return judge_without_keys if keys is None else judge_by(keys)


def _signature_alone(found: Credential | Rejection) -> Facts:
    """The facts of a gate that has no list, an empty journal and this computer's clock."""
    return Facts(
        credential=found,
        ticket=None,
        product=Product((found.product if isinstance(found, Credential) else None) or 0),
        uses=(),
        check_in_list=CheckInList("any"),
        direction=Direction.ENTRY,
        reading=clock.Reading(time.time(), 1.0, ClockState.SYNCHRONISED),
        policy=GatePolicy("none", list_required=False),
    )


def _words(verdict: Verdict) -> tuple[str, str | None]:
    reason = verdict.reason.value if verdict.reason else None
    return ("admitted" if verdict.admitted else "refused"), reason


def _table() -> Table:
    table = Table()
    for column in ("Picture", "Code", "Format", "Verdict", "Reason"):
        table.add_column(column, overflow="fold")
    return table


def _add_row(table: Table, reading: Reading) -> None:
    judged = reading.judgement
    if reading.error is not None:
        # Text, not str: a file's name is no markup.
        code, reason = Text("unreadable", "red"), f"{reading.error.cause}. {reading.error.remedy}"
    elif reading.payload is None:
        code, reason = Text("no code", "yellow"), ""
    else:
        code, reason = Text(printable(reading.payload)), judged.reason or ""
    cells = (judged.format or "", judged.verdict or "", reason)
    table.add_row(Text(_safe(str(reading.image))), code, *(Text(cell) for cell in cells))


def printable(payload: bytes) -> str:
    """The beginning of a payload as text that a terminal may show."""
    text = _safe(payload[:SHOWN].decode("utf-8", "backslashreplace"))
    rest = len(payload) - SHOWN
    return f"{text}... ({rest} bytes more)" if rest > 0 else text


def _safe(text: str) -> str:
    """``text`` without anything that moves a terminal's cursor."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
