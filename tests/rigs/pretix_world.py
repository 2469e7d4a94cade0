"""The events that pretix is seeded with; runs inside pretix' venv (see pretix_inside.py).

Times are fixed, so that a recorded verdict stays true: NOW is Saturday 17 May 2031, 11:00 UTC.

tokyo   signed codes, Asia/Tokyo, from 10:00 (doors 09:00) to 14:00 UTC: every state a ticket can be
        in, and a list for every switch
berlin  random codes, Europe/Berlin, no end and no doors set: a list for every part of the rules
series  signed codes, America/St_Johns, two dates: lists of one date, of all, and rules on its doors

A plan names everything: {"now", "events": {slug: {...}}, "gates": {name: id}}, each event with
"items", "lists", "tickets" (name -> secret and what is known of it) and "media".
"""

from datetime import datetime, timedelta, timezone
from decimal import Decimal

from pretix.base.models import Checkin, Device, Event, Order, OrderPosition
from pretix.base.models.media import ReusableMedium
from pretix_rules import RULES, SERIES_RULES
from pretix_seeds import change

NOW = datetime(2031, 5, 17, 11, 0, tzinfo=timezone.utc)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


class Stage:
    """One event while it is filled, and what is known of it."""

    def __init__(self, organizer, slug, zone, generator, **changes):
        self.organizer = organizer
        self.event = Event.objects.create(
            organizer=organizer, slug=slug, name=slug.title(), currency="EUR", live=True,
            date_from=NOW - HOUR, **changes,
        )  # fmt: skip
        self.event.settings.timezone = zone
        self.event.settings.ticket_secret_generator = generator
        self.zone, self.codes = zone, 0
        self.items, self.variations, self.lists, self.media = {}, {}, {}, {}
        self.tickets, self.positions, self.subevents = {}, {}, {}

    def item(self, name, variations=(), **changes):
        """A product; its variations are called item-variation."""
        made = self.event.items.create(
            name=name.title(), default_price=0, admission=True, **changes
        )
        made.log_action("pretix.event.item.added")
        self.items[name] = made
        for value, extra in dict(variations).items():
            self.variations[f"{name}-{value}"] = made.variations.create(
                value=value.title(), **extra
            )

    def list(self, name, items=None, gates=(), **changes):
        """A check-in list, of all products unless some are named."""
        made = self.event.checkin_lists.create(name=name, all_products=items is None, **changes)
        made.limit_products.set(self.items[item] for item in items or ())
        made.gates.set(gates)
        self.lists[name] = made

    def order(self, **changes):
        """An order, paid unless it says otherwise."""
        self.codes += 1
        values = {"status": Order.STATUS_PAID, "expires": NOW + DAY, "datetime": NOW - 30 * DAY}
        values |= {"email": "guest@example.org", "locale": "en", "total": Decimal(0)} | changes
        channel = self.organizer.sales_channels.get(identifier="web")
        code = f"{self.event.slug[:3].upper()}{self.codes:02}"
        return Order.objects.create(
            event=self.event, organizer=self.organizer, code=code, sales_channel=channel, **values
        )

    def ticket(self, name, item="standard", order=None, addon_to=None, subevent=None, **changes):
        """A ticket in an order of its own, or one more in the order that is given."""
        states = {key: changes.pop(key) for key in list(changes) if key in ORDER_FIELDS}
        order = order or self.order(**states)
        base, _, variation = item.partition("-")
        position = OrderPosition.objects.create(
            order=order, item=self.items[base], price=Decimal(0),
            variation=self.variations[item] if variation else None,
            positionid=order.all_positions.count() + 1, addon_to=addon_to,
            subevent=self.subevents.get(subevent),
            attendee_name_parts={"_scheme": "full", "full_name": f"Guest {name.title()}"},
            **changes,
        )  # fmt: skip
        self.positions[name] = position
        self.say(name, position.secret)
        return position

    def say(self, name, secret, medium="barcode", known=True):
        """Put a code into the plan: of a ticket, or of what only looks like one."""
        self.tickets[name] = {"secret": secret, "source_type": medium, "known": known}

    def scan(self, ticket, on, kind, at, **changes):
        """A check-in that the server already has."""
        Checkin.objects.create(
            position=self.positions[ticket], list=self.lists[on], type=kind, datetime=at, **changes
        )

    def medium(self, name, kind, tickets, **changes):
        """A wristband or card linked to tickets; scanned, it stands for them."""
        made = ReusableMedium.objects.create(
            organizer=self.organizer, type=kind, identifier=MEDIA[name], **changes
        )
        made.linked_orderpositions.set(tickets)
        self.media[name] = made
        self.say(name, MEDIA[name], kind)

    def plan(self):
        """What the rig gets to know."""
        kinds = {"items": self.items, "variations": self.variations, "media": self.media}
        kinds |= {"subevents": self.subevents}
        ids = {kind: {name: row.pk for name, row in rows.items()} for kind, rows in kinds.items()}
        lists = {name: row.pk for name, row in self.lists.items()}
        return {"timezone": self.zone, "tickets": self.tickets, "lists": lists, **ids}


ORDER_FIELDS = {
    "status", "valid_if_pending", "require_approval", "testmode", "checkin_attention",
    "checkin_text", "locale",
}  # fmt: skip
MEDIA = {
    "band": "04A1B2C3D4E580", "band-off": "04A1B2C3D4E581", "band-expired": "04A1B2C3D4E582",
    "band-two-times": "04A1B2C3D4E583", "band-ambiguous": "04A1B2C3D4E584",
    "card": "WRISTBAND0000001", "band-elsewhere": "04A1B2C3D4E585", "band-empty": "04A1B2C3D4E586",
    "band-addon": "04A1B2C3D4E587", "band-later": "04A1B2C3D4E588",
}  # fmt: skip


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


def tokyo(organizer, gates, north):
    """Every state of a ticket, a list for every switch."""
    stage = Stage(
        organizer, "tokyo", "Asia/Tokyo", "pretix_sig1",
        date_admission=NOW - 2 * HOUR, date_to=NOW + 3 * HOUR,
    )  # fmt: skip
    _tokyo_products(stage)
    addons, both = ["workshop"], ["workshop", "dinner"]
    stage.list("everything")
    stage.list("pending", include_pending=True)
    stage.list("standard-only", ["standard"])
    stage.list("single", allow_entry_after_exit=False)
    stage.list("multi", allow_multiple_entries=True)
    stage.list("addon", addons, addon_match=True)
    stage.list("addon-off", addons)
    stage.list("addon-two", both, addon_match=True)
    stage.list("addon-all", addon_match=True)
    stage.list("north", gates=[gates["north"]])
    stage.list("nothing", [])
    _tokyo_states(stage)
    _tokyo_history(stage, north)
    _tokyo_addons(stage)
    _tokyo_media(stage)
    return stage


def _tokyo_products(stage):
    stage.item("standard")
    stage.item(
        "vip", {"seated": {}, "standing": {"checkin_attention": True, "checkin_text": "Lift"}}
    )
    extras = stage.event.categories.create(name="Extras", is_addon=True)
    stage.item("workshop", category=extras)
    stage.item("dinner", category=extras)
    stage.items["standard"].addons.create(addon_category=extras, max_count=2)
    stage.item("crew", checkin_attention=True, checkin_text="Check the badge")
    stage.item("asked")
    stage.item("wished")
    stage.item("exchange", media_policy="new", media_type="nfc_uid")
    ask = stage.event.questions.create
    required = ask(
        question="Shoe size?", type="N", required=True, ask_during_checkin=True, position=1
    )
    required.items.add(stage.items["asked"])
    optional = ask(question="Vegan?", type="B", required=False, ask_during_checkin=True, position=2)
    optional.items.add(stage.items["wished"])
    earlier = ask(question="Company?", type="S", required=True, position=3)
    earlier.items.add(stage.items["standard"])
    stage.questions = {"required": required, "optional": optional}


def _tokyo_states(stage):
    unpaid = {"status": Order.STATUS_PENDING}
    stage.ticket("paid")
    stage.ticket("vip-seated", "vip-seated")
    stage.ticket("vip-standing", "vip-standing")
    stage.ticket("crew", "crew")
    stage.ticket("noted", checkin_attention=True, checkin_text="Gift at the desk", locale="de")
    stage.ticket("pending", **unpaid)
    stage.ticket("pending-valid", valid_if_pending=True, **unpaid)
    stage.ticket("unapproved", require_approval=True, **unpaid)
    stage.ticket("unapproved-valid", require_approval=True, valid_if_pending=True, **unpaid)
    stage.ticket("expired", status=Order.STATUS_EXPIRED)
    stage.ticket("expired-valid", status=Order.STATUS_EXPIRED, valid_if_pending=True)
    stage.ticket("test-mode", testmode=True)
    stage.ticket("early", valid_from=NOW + MINUTE)
    stage.ticket("late", valid_until=NOW - MINUTE)
    stage.ticket("in-time", valid_from=NOW - MINUTE, valid_until=NOW + MINUTE)
    stage.ticket("to-the-second", valid_from=NOW, valid_until=NOW)
    stage.ticket("asked", "asked")
    answered = stage.ticket("answered", "asked")
    answered.answers.create(question=stage.questions["required"], answer="43")
    stage.ticket("wished", "wished")
    stage.ticket("exchange", "exchange")
    shared = stage.order()
    stage.ticket("stays", order=shared)
    stage.ticket("left-out", order=shared)
    stage.ticket("cancelled")
    stage.ticket("swapped")
    stage.ticket("blocked")
    stage.ticket("unblocked")
    stage.ticket("blocked-cancelled")
    for name, how in (
        ("left-out", "cancel"), ("cancelled", "cancel_order"), ("swapped", "swap"),
        ("blocked", "block"), ("unblocked", "block"), ("unblocked", "unblock"),
        ("blocked-cancelled", "block"), ("blocked-cancelled", "cancel_order"),
    ):  # fmt: skip
        old = stage.tickets[name]["secret"]
        new = change(old, how)
        stage.say(name, new)
        if new != old:
            stage.say(f"{name}-old", old)
    standard = stage.items["standard"]
    stage.say("unknown", "notaticketofthisserver")
    ghost = stage.event.ticket_secret_generator.generate_secret(standard, force_invalidate=True)
    stage.say("ghost", ghost, known=False)


def _tokyo_history(stage, north):
    entry, leave = Checkin.TYPE_ENTRY, Checkin.TYPE_EXIT
    before = NOW - 30 * MINUTE
    histories = {
        "used": [("everything", entry)],
        "left": [("everything", entry), ("everything", leave)],
        "back": [("everything", entry), ("everything", leave), ("everything", entry)],
        "exit-only": [("everything", leave), ("single", leave)],
        "used-elsewhere": [("standard-only", entry)],
        "left-single": [("single", entry), ("single", leave)],
        "left-left-single": [("single", entry), ("single", leave), ("single", leave)],
        "multi-used": [("multi", entry), ("multi", entry)],
        "used-pending": [("pending", entry)],
    }
    for name, scans in histories.items():
        stage.ticket(name)
        for number, (on, kind) in enumerate(scans):
            stage.scan(name, on, kind, before + number * MINUTE, device=north, gate=north.gate)
    stage.ticket("forced")
    stage.scan("forced", "everything", entry, before, forced=True, force_sent=True)
    stage.ticket("failed-before")
    failed = {"successful": False, "error_reason": Checkin.REASON_UNPAID}
    stage.scan("failed-before", "everything", entry, before, **failed)
    # The later of two rows was stored first: what counts is the time of the scan.
    stage.ticket("out-of-order")
    stage.scan("out-of-order", "everything", leave, before + MINUTE)
    stage.scan("out-of-order", "everything", entry, before)


def _tokyo_addons(stage):
    def with_extras(name, *extras, **changes):
        main = stage.ticket(name, **changes)
        for extra in extras:
            stage.ticket(f"{name}+{extra}", extra, order=main.order, addon_to=main)
        return main

    with_extras("one-extra", "workshop")
    with_extras("two-extras", "workshop", "dinner")
    with_extras("unpaid-extra", "workshop", status=Order.STATUS_PENDING)
    with_extras("extra-gone", "workshop", "dinner")
    secret = stage.positions["extra-gone+workshop"].secret
    stage.say("extra-gone+workshop", change(secret, "cancel"))
    with_extras("extra-used", "workshop")
    stage.scan("extra-used+workshop", "addon", Checkin.TYPE_ENTRY, NOW - HOUR)
    main = stage.ticket("extras-in-turn")
    for name, since, until in (("first", None, NOW - HOUR), ("second", NOW - HOUR, None)):
        stage.ticket(
            f"extras-in-turn+{name}", "workshop", order=main.order, addon_to=main,
            valid_from=since, valid_until=until,
        )  # fmt: skip


def _tokyo_media(stage):
    def ticket(name, **changes):
        return stage.ticket(name, **changes)

    stage.medium("band", "nfc_uid", [ticket("on-band")])
    stage.medium("card", "barcode", [ticket("on-card")])
    stage.medium("band-off", "nfc_uid", [ticket("on-band-off")], active=False)
    # Whether a medium has expired is asked of the server's clock, not of the scan's time.
    stage.medium(
        "band-expired",
        "nfc_uid",
        [ticket("on-expired")],
        expires=datetime(2021, 1, 1, tzinfo=timezone.utc),
    )
    over = ticket("on-band-over", valid_until=NOW - HOUR)
    stage.medium("band-two-times", "nfc_uid", [over, ticket("on-band-now", valid_from=NOW - HOUR)])
    stage.medium("band-later", "nfc_uid", [
        ticket("on-later", valid_from=NOW + HOUR), ticket("on-latest", valid_from=NOW + DAY),
    ])  # fmt: skip
    stage.medium("band-ambiguous", "nfc_uid", [ticket("on-a"), ticket("on-b")])
    stage.medium("band-addon", "nfc_uid", [stage.positions["one-extra"]])
    stage.medium("band-empty", "nfc_uid", [])


def berlin(organizer, gates):
    """Tickets with and without a history, a list for every part of the rules."""
    stage = Stage(organizer, "berlin", "Europe/Berlin", "random")
    stage.item("standard")
    stage.item("vip", {"seated": {}, "standing": {}})
    names = {f"item:{name}": row.pk for name, row in stage.items.items()}
    names |= {f"variation:{name}": row.pk for name, row in stage.variations.items()}
    names |= {f"gate:{name}": row.pk for name, row in gates.items()}
    for name, rule in RULES(names).items():
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
