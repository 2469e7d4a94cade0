"""One event while pretix_world.py fills it; runs inside pretix' venv."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from pretix.base.models import Checkin, Event, Order, OrderPosition
from pretix.base.models.media import ReusableMedium

NOW = datetime(2031, 5, 17, 11, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
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
        row = {"position": self.positions[ticket], "list": self.lists[on], "type": kind}
        # In bulk, though one: a row that is saved by itself touches its order and six caches.
        Checkin.all.bulk_create([Checkin(datetime=at, **row, **changes)])

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
