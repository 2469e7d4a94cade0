"""`admit cards`: make NTAG 424 DNA cards that cannot be copied, and look at one."""

import json
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.card_desk import Desk, HeldCard
from cli.card_file import CardFile
from cli.gate_client import GateClient
from drivers.messages import card_to_json
from drivers.nfc_424 import CardProver
from drivers.nfc_errors import CardFault
from drivers.nfc_frontend import BudgetSpent
from drivers.nfc_make import CardRefused, State, look, make, state_of
from drivers.nfc_type4 import read_type4
from tickets.cards import CardWord
from tickets.csv_rows import MAX_LINE, BadRow, TicketRow, read_rows
from tickets.errors import GateError
from tickets.key_files import Role, load_key
from tickets.ndef import Garbled, read_message, uri_of
from tickets.ntag424.keys import DeskKeys, desk_keys
from tickets.ntag424.layout import LIVE_ONLY, Layout, signed_url

app = typer.Typer(no_args_is_help=True)

Reader = Annotated[str, typer.Option(help="The reader on the desk, e.g. nfc:usb:1-1.3")]
Keys = Annotated[Path, typer.Option(help="Directory that 'admit keys new' has made")]
Wait = Annotated[float, typer.Option(help="Seconds to wait for each card", min=1, max=86_400)]
Json = Annotated[bool, typer.Option("--json", help="One JSON object per card")]


@app.callback()
def _cards() -> None:
    """Cards that cannot be copied: NTAG 424 DNA with keys of this event."""


@app.command()
def new(
    tickets: Annotated[Path, typer.Argument(help="The CSV of tickets that become cards")],
    *,
    out: Annotated[Path, typer.Option(help="CSV of the made cards, for 'admit central import'")],
    reader: Reader,
    keys: Keys,
    url: Annotated[
        str, typer.Option(help="https address a phone opens; makes a message that can be copied")
    ] = "",
    again: Annotated[
        bool, typer.Option("--again", help="Take cards that were made before and are not in OUT")
    ] = False,
    wait: Wait = 120.0,
    json_: Json = False,
) -> None:
    """Make a card for each ticket: hold blank cards to the reader, one after the other.

    May be stopped and started again at any time; a card that was pulled away is finished when it is
    held again. Bad rows are named by line and left out; the exit code is then 1.
    """
    layout = signed_url(url) if url else LIVE_ONLY
    maker = Maker(Desk(reader, wait), _desk_keys(keys), layout, CardFile(out), again)
    bad = 0
    for row in _rows(tickets):
        if isinstance(row, BadRow):
            bad += 1
            print(row, file=sys.stderr)
        elif row.id not in maker.file.made.values():
            if not json_:
                print(f"{row.id}: hold a blank card to the reader", flush=True)
            uid = maker.make(row)
            told = json.dumps({"id": row.id, "card": uid.hex()}) if json_ else None
            print(told or f"{row.id}: made. Take the card away", flush=True)
            maker.desk.gone(uid)
    if not json_:
        print(f"{len(maker.file.made)} cards in {out}; next: admit central import {out}")
    if bad:
        raise typer.Exit(1)


@app.command()
def read(
    *,
    reader: Reader,
    keys: Keys,
    tickets: Annotated[
        Path | None, typer.Option(help="CSV of made cards, to say whose the card is")
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--run", help="Ask the gate with these sockets for its verdict")
    ] = None,
    lane: Annotated[str | None, typer.Option(help="Lane of that gate; the first")] = None,
    wait: Wait = 120.0,
    json_: Json = False,
) -> None:
    """What is this card, and would you admit it? Changes nothing but the card's own counter."""
    desk, found = Desk(reader, wait), None
    while found is None:
        if not json_:
            print("Hold a card to the reader", flush=True)
        card = desk.card()
        try:
            found = _examined(card, _desk_keys(keys))
        except (CardFault, BudgetSpent) as fault:
            print(_why(fault), file=sys.stderr)
            desk.gone(card.uid)
    if tickets is not None:
        found["ticket"] = CardFile(tickets).made.get(bytes.fromhex(str(found["uid"])))
    word = found.pop("word")
    if run is not None and isinstance(word, CardWord):
        found |= _judged(word, run, lane)
    print(json.dumps(found) if json_ else _lines(found))


class Maker:
    """Makes one card after the other; no card is asked again that a key failed on."""

    def __init__(
        self, desk: Desk, keys: DeskKeys, layout: Layout, file: CardFile, again: bool
    ) -> None:
        self.desk, self.file = desk, file
        self._keys, self._layout, self._again = keys, layout, again
        self._begun: set[bytes] = set()
        self._set_aside: dict[bytes, GateError] = {}

    def make(self, row: TicketRow) -> bytes:
        """Make the next good card that of ``row``; returns its UID, already in the file.

        Raises:
            NobodyCame, NfcLost, CardFileFault: what was made stays.
        """
        told = b""
        while True:
            card = self.desk.card()
            try:
                self._refuse_known(card)
                make(card, self._keys, self._layout)
            except (CardFault, BudgetSpent):
                if card.uid != told:  # tried again at once, several times a second
                    told = card.uid
                    print("Hold the card still, until it is called made", file=sys.stderr)
                continue
            except CardRefused as error:
                self._set_aside[card.uid] = error
                print(f"{error.cause}. {error.remedy}", file=sys.stderr)
                self.desk.gone(card.uid)
                continue
            self.file.add(row, card.uid)
            return card.uid

    def _refuse_known(self, card: HeldCard) -> None:
        if card.uid in self._set_aside:
            raise CardRefused(f"Card {card.shown} was set aside", "Take another one")
        if card.uid in self.file.made:
            owner = self.file.made[card.uid]
            raise CardRefused(f"This card is that of ticket {owner}", "Take a blank one")
        new = card.uid not in self._begun
        if new and not self._again and state_of(look(card), self._keys) is State.MADE:
            raise CardRefused(
                f"This card was made before, and {self.file.path.name} does not have it",
                "Take a blank one, or start with --again if it belongs to no ticket",
            )
        self._begun.add(card.uid)


def _desk_keys(directory: Path) -> DeskKeys:
    return desk_keys(load_key(directory, Role.CARDS).secret)


def _rows(tickets: Path) -> list[TicketRow | BadRow]:
    """All rows, read before the first card: a bad file is found before the work is begun."""
    with tickets.open("rb") as file:
        return [_fit(row) for row in read_rows(iter(partial(file.readline, MAX_LINE), b""))]


def _fit(row: TicketRow | BadRow) -> TicketRow | BadRow:
    if isinstance(row, TicketRow) and (row.code is not None or row.card is not None):
        what = "a code" if row.code is not None else "a card"
        return BadRow(row.line, f"ticket {row.id!r} has {what} already", "Leave that cell empty")
    return row


def _examined(card: HeldCard, keys: DeskKeys) -> dict[str, Any]:
    """What there is to say of a card. Raises CardFault, BudgetSpent: it was pulled away."""
    state = state_of(look(card) if card.commands else None, keys)
    found: dict[str, Any] = {"uid": card.uid.hex(), "state": state.value, "word": None}
    if state is State.NO_CARD:
        return found
    prover = CardProver(lambda: keys.gate)
    found["word"] = live = prover.challenge(card)
    found["live"] = None if live is None else live.proof.value
    message = _message(card, prover)
    found["message"] = None if message is None else card_to_json(message)
    found["word"] = live or message
    return found


def _why(fault: CardFault | BudgetSpent) -> str:
    return str(fault) if isinstance(fault, CardFault) else "The card keeps the reader busy"


def _message(card: HeldCard, prover: CardProver) -> CardWord | None:
    try:
        records = read_message(read_type4(card.apdu))
    except CardFault as fault:
        if fault.why.value == "no_ndef":  # a card without an address, as most should be
            return None
        raise
    uris = () if isinstance(records, Garbled) else (uri_of(record) for record in records)
    return next((w for uri in uris if uri and (w := prover.link(card.uid, uri))), None)


def _judged(word: CardWord, run: Path, lane: str | None) -> dict[str, Any]:
    if lane is None:
        with GateClient(run, "events") as gate:
            lane = gate.ask(op="status")["status"]["lanes"][0]["name"]
    with GateClient(run, "control") as gate:
        answer = gate.ask(op="judge", lane=lane, card=card_to_json(word))
    return {name: answer[name] for name in ("verdict", "reason", "detail")}


_LIVE = {
    None: "not asked: the card has no key of this event",
    "live": "yes: it answers a fresh challenge with its key",
    "forged": "NO: it has another key than a card of this event",
}


def _message_words(message: dict[str, Any] | None) -> str:
    if message is None:
        return "none: nothing that could be copied"
    if "counter" in message:
        return f"true, number {message['counter']}: whoever reads it can show it once"
    return f"{message['proof']}: {message['detail']}"


def _lines(found: dict[str, Any]) -> str:
    lines = [("card", f"…{found['uid'][-4:]}"), ("state", found["state"])]
    if "live" in found:
        lines.append(("proves itself", _LIVE.get(found["live"], "no: it broke off, or LRP mode")))
        lines.append(("message", _message_words(found["message"])))
    if "ticket" in found:
        lines.append(("ticket", found["ticket"] or "none in that file"))
    if "verdict" in found:
        lines.append(("the gate says", found["reason"] or found["verdict"]))
    return "\n".join(f"{name:<15}{text}" for name, text in lines)
