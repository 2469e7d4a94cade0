"""The pages on which organisers look and act: tickets, entries, gates, what to look into."""

from functools import partial
from typing import Any
from urllib.parse import urlencode

from starlette.responses import HTMLResponse, RedirectResponse, Response

from central import enrolment, heartbeats, imports
from central.bodies import hex_bytes
from central.database import get_meta
from central.errors import CentralFault, ProtocolError
from central.organiser import audit, overview, sessions, tickets
from central.organiser.accounts import Role
from central.organiser.advice import alarm_advice, parked_advice
from central.organiser.audit import recorded
from central.organiser.gates import Gate, force_of, gates
from central.organiser.web import BASE, Asked, Page, Site
from central.statements import signs

LATEST = 200
"""Rows of a page that shows the newest of something."""


def home(site: Site, asked: Asked) -> Response:
    """`GET /`: find a ticket; is everything well?"""
    found = gates(site.central)
    return _shown(
        site,
        asked,
        "home.html",
        signs=signs(site.central),
        counts=overview.counts(site.central),
        gates=[gate for gate in found if gate.revoked is None and not gate.replaced],
        entries=overview.entries(site.central, 8),
    )


def ticket_search(site: Site, asked: Asked) -> Response:
    """`GET /tickets`: by part of the id and by state.

    A ticket whose id is just what was typed, or the only one found, is shown at once.
    """
    text, state, after = asked.query("q"), asked.query("state", 16), asked.query("after", 32)
    last, all_ = _key(after) if after else None, bool(asked.query("all"))
    if text and not all_ and (key := tickets.exact(site.central, text)) is not None:
        return RedirectResponse(f"{BASE}/tickets/{key}?{urlencode({'q': text})}", 303)
    found = tickets.search(site.central, text, state, last)
    if text and not all_ and len(found.tickets) == 1 and last is None:
        return RedirectResponse(f"{BASE}/tickets/{found.tickets[0]['key']}", 303)
    states = tuple(tickets.STATES)
    return _shown(site, asked, "tickets.html", found=found, q=text, state=state, states=states)


def ticket(site: Site, asked: Asked) -> Response:
    """`GET /tickets/{key}`: one ticket, its uses, and where its last change is in force."""
    shown = tickets.detail(site.central, _key(asked.path["key"]))
    if shown is None:
        raise CentralFault("there is no such ticket", "Search for it by its id")
    force = force_of(site.central, shown["revision"]) if shown["revision"] else None
    return _shown(site, asked, "ticket.html", ticket=shown, force=force, q=asked.query("q"))


def cancel(site: Site, asked: Asked) -> Response:
    """`POST /tickets/{key}/cancel`."""
    return _change(site, asked, "cancel")


def reinstate(site: Site, asked: Asked) -> Response:
    """`POST /tickets/{key}/reinstate`: take the cancellation back."""
    return _change(site, asked, "reinstate")


def _change(site: Site, asked: Asked, action: str) -> Response:
    shown = tickets.detail(site.central, _key(asked.path["key"]))
    if shown is None:
        raise CentralFault("there is no such ticket", "Search for it by its id")
    work = imports.cancel if action == "cancel" else imports.restore
    with recorded(site.central, asked.person.name, action, shown["id"]):
        work(site.central, shown["id"])
    return RedirectResponse(f"{BASE}/tickets/{shown['key']}", 303)


def entries(site: Site, asked: Asked) -> Response:
    """`GET /entries`: who entered and left where and when."""
    found = overview.entries(site.central, LATEST)
    counts = overview.counts(site.central)
    return _shown(site, asked, "entries.html", entries=found, counts=counts, most=LATEST)


def gate_list(site: Site, asked: Asked) -> Response:
    """`GET /gates`."""
    return _shown(site, asked, "gates.html", gates=gates(site.central))


def gate(site: Site, asked: Asked) -> Response:
    """`GET /gates/{device}`: a gate's health and what it can be told."""
    return _shown(site, asked, "gate.html", gate=_gate(site, asked))


def _gate(site: Site, asked: Asked) -> Gate:
    name = asked.path["device"]
    found = next((gate for gate in gates(site.central) if gate.device == name), None)
    if found is None:
        raise CentralFault("there is no such gate", "Choose one on the page of gates")
    return found


def tell(site: Site, asked: Asked) -> Response:
    """`POST /gates/{device}/tell`: a message, a lane out of or in service, fetch all anew."""
    found, form = _gate(site, asked), asked.form
    do = form.text("do", 16)
    body = {"do": do}
    if do in ("message", "out_of_service"):
        body["text"] = form.text("text", 200)
    if do in ("in_service", "out_of_service"):
        body["lane"] = form.text("lane", 64)
    words = " ".join([found.name, *(body[name] for name in ("lane", "text") if name in body)])
    with recorded(site.central, asked.person.name, do, words):
        heartbeats.tell(site.central, found.device, body)
    return RedirectResponse(f"{BASE}/gates/{found.device}", 303)


def revoke(site: Site, asked: Asked) -> Response:
    """`POST /gates/{device}/revoke`: withdraw a stolen gate; its name is typed to confirm."""
    found = _gate(site, asked)
    if asked.form.text("confirm", 64) != found.name:
        raise CentralFault(
            "the name that was typed is not this gate's", f"Type {found.name} to withdraw it"
        )
    with recorded(site.central, asked.person.name, "revoke", f"{found.name} {found.device}"):
        enrolment.revoke(site.central, found.device)
    return RedirectResponse(f"{BASE}/gates/{found.device}", 303)


def token(site: Site, asked: Asked) -> Response:
    """`POST /gates/token`: the one-time token of a new gate, shown this once."""
    name = asked.form.text("gate", 64)
    with recorded(site.central, asked.person.name, "token", name):
        made = enrolment.new_token(site.central, name)
    with site.central.database.reading() as connection:
        trust = {n: get_meta(connection, f"root_{n}") for n in ("keys", "threshold")}
    address = f"{asked.request.url.scheme}://{asked.request.url.netloc}"
    return _shown(site, asked, "token.html", gate=name, token=made, trust=trust, address=address)


def conflicts(site: Site, asked: Asked) -> Response:
    """`GET /conflicts`: entries beyond what a ticket allows, both sides of each."""
    found = overview.conflicts(site.central, LATEST)
    return _shown(site, asked, "conflicts.html", conflicts=found, most=LATEST)


def parked(site: Site, asked: Asked) -> Response:
    """`GET /parked`: records that could not be taken, and alarms, each with what to do."""
    records = overview.parked_records(site.central, LATEST)
    alarms = overview.alarms(site.central)[:LATEST]
    return _shown(
        site,
        asked,
        "parked.html",
        records=[row | {"advice": parked_advice(row["reason"])} for row in records],
        alarms=[row | {"advice": alarm_advice(row["name"])} for row in alarms],
        most=LATEST,
    )


def log(site: Site, asked: Asked) -> Response:
    """`GET /log`: who changed what."""
    before = asked.query("before", 18)
    rows = audit.log(site.central, int(before) if before.isascii() and before.isdigit() else None)
    return _shown(site, asked, "log.html", rows=rows)


def session_list(site: Site, asked: Asked) -> Response:
    """`GET /sessions`: in which browsers this person is logged in."""
    found = sessions.listing(site.central, asked.person.name)
    return _shown(site, asked, "sessions.html", sessions=found, mine=asked.person.session.hex())


def end_session(site: Site, asked: Asked) -> Response:
    """`POST /sessions/end`: log one of the person's own browsers out."""
    digest = _hex(asked.form.text("session", 64), 32)
    with recorded(site.central, asked.person.name, "logout", "another browser"):
        sessions.end(site.central, digest, asked.person.name)
    return RedirectResponse(f"{BASE}/sessions", 303)


def _shown(site: Site, asked: Asked, template: str, **values: Any) -> Response:
    return HTMLResponse(site.render(template, asked.person, **values))


def _hex(text: str, size: int) -> bytes:
    try:
        return hex_bytes(text, size, "address")
    except ProtocolError as error:
        raise CentralFault(
            "this address names nothing here", "Go back to the first page"
        ) from error


_key = partial(_hex, size=16)

LOOK, ACT = Role.VIEWER, Role.ORGANISER
PAGES = (
    Page("/", "GET", LOOK, home),
    Page("/tickets", "GET", LOOK, ticket_search),
    Page("/tickets/{key}", "GET", LOOK, ticket),
    Page("/tickets/{key}/cancel", "POST", ACT, cancel),
    Page("/tickets/{key}/reinstate", "POST", ACT, reinstate),
    Page("/entries", "GET", LOOK, entries),
    Page("/gates", "GET", LOOK, gate_list),
    Page("/gates/token", "POST", ACT, token),
    Page("/gates/{device}", "GET", LOOK, gate),
    Page("/gates/{device}/tell", "POST", ACT, tell),
    Page("/gates/{device}/revoke", "POST", ACT, revoke),
    Page("/conflicts", "GET", LOOK, conflicts),
    Page("/parked", "GET", LOOK, parked),
    Page("/log", "GET", LOOK, log),
    Page("/sessions", "GET", LOOK, session_list),
    Page("/sessions/end", "POST", LOOK, end_session),
)
"""Every page of who is logged in."""
