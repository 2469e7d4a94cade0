"""The events that pretix is seeded with; runs inside pretix' venv (see pretix_inside.py).

Times are fixed, so that a recorded verdict stays true: NOW is Saturday 17 May 2031, 11:00 UTC.

tokyo   signed codes, Asia/Tokyo, from 10:00 (doors 09:00) to 14:00 UTC: every state a ticket can be
        in, and a list for every switch
berlin  random codes, Europe/Berlin, no end and no doors set: a list for every part of the rules
series  signed codes, America/St_Johns, two dates: lists of one date, of all, and rules on its doors

A plan names everything: {"now", "events": {slug: {...}}, "gates": {name: id}}, each event with
"items", "lists", "tickets" (name -> secret and what is known of it) and "media".
"""

from pretix.base.models import Checkin, Device, Order
from pretix_rules import SERIES_RULES, rules_with
from pretix_seeds import change
from pretix_stage import DAY, HOUR, MINUTE, NOW, Stage
from pretix_tokyo import tokyo


def everything(organizer):
    """All three events."""
    gates = {
        name: organizer.gates.create(name=name, identifier=name) for name in ("north", "south")
    }
    north = Device.objects.create(
        organizer=organizer, name="before", all_events=True, gate=gates["north"]
    )
    stages = [tokyo(organizer, gates, north), berlin(organizer, gates), series(organizer)]
    stages[0].medium("band-elsewhere", "nfc_uid", [stages[1].positions["fresh"]])
    foreign(*stages)
    return {
        "now": NOW.isoformat(),
        "organizer": organizer.slug,
        "gates": {name: gate.pk for name, gate in gates.items()},
        "events": {stage.event.slug: stage.plan() for stage in stages},
    }


def small(organizer):
    """One event to fill with many orders: signed, one product, a single-entry and a multi list."""
    stage = Stage(organizer, "evening", "Europe/Berlin", "pretix_sig1")
    stage.item("standard")
    stage.item("vip")
    stage.list("door")
    stage.list("bar", allow_multiple_entries=True)
    stage.list("once", allow_entry_after_exit=False)
    return {
        "now": NOW.isoformat(),
        "organizer": organizer.slug,
        "gates": {},
        "events": {"evening": stage.plan()},
    }


def berlin(organizer, gates):
    """Tickets with and without a history, a list for every part of the rules."""
    stage = Stage(organizer, "berlin", "Europe/Berlin", "random")
    stage.item("standard")
    stage.item("vip", {"seated": {}, "standing": {}})
    names = {f"item:{name}": row.pk for name, row in stage.items.items()}
    names |= {f"variation:{name}": row.pk for name, row in stage.variations.items()}
    names |= {f"gate:{name}": row.pk for name, row in gates.items()}
    for name, rule in rules_with(names).items():
        stage.list(name, rules=rule, allow_multiple_entries=True)
    entry, leave = Checkin.TYPE_ENTRY, Checkin.TYPE_EXIT
    histories = {
        "fresh": (),
        "once": ((entry, 30 * MINUTE),),
        "yesterday": ((entry, DAY),),
        # 22:00 UTC is midnight in Berlin: one entry on either side of it.
        "midnight": ((entry, 13 * HOUR + MINUTE), (entry, 13 * HOUR - MINUTE)),
        "out": ((entry, 3 * HOUR), (leave, 10 * MINUTE)),
        "in-again": ((entry, 2 * DAY), (leave, DAY), (entry, 5 * MINUTE)),
    }
    for name, scans in histories.items():
        stage.ticket(name)
        for on in stage.lists:
            for kind, ago in scans:
                stage.scan(name, on, kind, NOW - ago)
    stage.ticket("seated", "vip-seated")
    stage.ticket("standing", "vip-standing")
    return stage


def series(organizer):
    """Two dates, half an hour off the full one."""
    stage = Stage(organizer, "series", "America/St_Johns", "pretix_sig1", has_subevents=True)
    stage.item("standard")
    make = stage.event.subevents.create
    stage.subevents["today"] = make(
        name="Today", active=True, date_from=NOW + 20 * MINUTE, date_admission=NOW + 5 * MINUTE
    )
    stage.subevents["tomorrow"] = make(name="Tomorrow", active=True, date_from=NOW + DAY)
    stage.list("today", subevent=stage.subevents["today"])
    stage.list("tomorrow", subevent=stage.subevents["tomorrow"])
    stage.list("all-dates")
    for name, rule in SERIES_RULES.items():
        stage.list(name, rules=rule)
    for name in ("today", "tomorrow"):
        stage.ticket(name, subevent=name)
        stage.ticket(f"{name}-pending", subevent=name, status=Order.STATUS_PENDING)
    stage.ticket("swapped", subevent="today")
    old = stage.tickets["swapped"]["secret"]
    stage.say("swapped-old", old)
    stage.say("swapped", change(old, "swap"))
    return stage


def foreign(*stages):
    """Each event is shown a ticket of each other one."""
    shown = {"tokyo": "paid", "berlin": "fresh", "series": "today"}
    secrets = {
        stage.event.slug: stage.tickets[shown[stage.event.slug]]["secret"] for stage in stages
    }
    for stage in stages:
        for slug, secret in secrets.items():
            if slug != stage.event.slug:
                stage.say(f"of-{slug}", secret)


WORLDS = {"everything": everything, "small": small}
