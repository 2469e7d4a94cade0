"""What the rig can ask of a running pretix, through pretix' own models; runs inside its venv.

Every function takes and returns what JSON can hold. The test data themselves are in
pretix_world.py; here are the verbs: a device, many orders at once, a change to a ticket, the rows
of check-ins as the server has them.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.utils.crypto import get_random_string
from django_scopes import scopes_disabled
from pretix.base.models import (
    Checkin,
    CheckinList,
    Device,
    Event,
    Gate,
    Item,
    Order,
    OrderPosition,
    Organizer,
)
from pretix.base.services.orders import OrderChangeManager, _cancel_order

ORGANIZER = "admit"
CODES = "ABCDEFGHJKLMNPQRSTUVWXYZ3789"


@scopes_disabled()
def seed(world):
    """Make the events, lists and tickets of one world; return its plan."""
    import pretix_world

    with transaction.atomic():
        return pretix_world.WORLDS[world](organizer())


@scopes_disabled()
def device(name, profile, gate, events):
    """A new device that waits for its handshake."""
    made = Device(organizer=organizer(), name=name, security_profile=profile)
    made.gate = Gate.objects.get(name=gate) if gate else None
    made.all_events = events is None
    made.save()
    made.limit_events.set(Event.objects.filter(slug__in=events or ()))
    return {"id": made.device_id, "token": made.initialization_token}


@scopes_disabled()
def set_device(device_id, revoked, profile, events):
    """Revoke a device, or change its profile or its events."""
    found = Device.objects.get(organizer=organizer(), device_id=device_id)
    if revoked:
        found.revoked = True
    if profile:
        found.security_profile = profile
    if events is not None:
        found.all_events = False
        found.limit_events.set(Event.objects.filter(slug__in=events))
    found.save()


@scopes_disabled()
def bulk(event, item, count, tickets_each, paid):
    """Many orders of one item at once: [{code, secret, position}]."""
    happening, sold = Event.objects.get(slug=event), Item.objects.get(event__slug=event, pk=item)
    code = get_random_string(3, CODES)
    now = datetime.now(UTC)
    common = {"event": happening, "organizer": happening.organizer, "locale": "en"}
    common |= {"status": Order.STATUS_PAID if paid else Order.STATUS_PENDING}
    common |= {"expires": now + timedelta(days=30)}
    common |= {"sales_channel": happening.organizer.sales_channels.get(identifier="web")}
    orders = Order.objects.bulk_create(
        [
            Order(code=f"{code}{_base(number)}", email=f"guest{number}@example.org", total=0,
                  datetime=now - timedelta(seconds=count - number), **common)
            for number in range(count)
        ],
        batch_size=500,
    )  # fmt: skip
    generator = happening.ticket_secret_generator
    made = [
        OrderPosition(
            order=order, organizer=happening.organizer, positionid=place + 1, item=sold,
            price=Decimal(0), tax_rate=0, tax_value=0, attendee_name_parts=_name(order.code),
            attendee_name_cached=f"Guest {order.code}",
            secret=generator.generate_secret(sold, force_invalidate=True),
            pseudonymization_id=get_random_string(12, CODES),
        )
        for order in orders for place in range(tickets_each)
    ]  # fmt: skip
    OrderPosition.all.bulk_create(made, batch_size=500)
    return [{"code": p.order.code, "secret": p.secret, "position": p.pk} for p in made]


@scopes_disabled()
def change(secret, how):
    """Do to the ticket with this secret what an organiser does; return its secret afterwards."""
    position = OrderPosition.all.select_related("order__event").get(secret=secret)
    order = position.order
    if how == "cancel_order":
        _cancel_order(order.pk, send_mail=False)
    elif how == "cancel":
        _through_manager(order, lambda manager: manager.cancel(position))
    elif how == "swap":
        _through_manager(order, lambda manager: manager.regenerate_secret(position))
    elif how == "block":
        _through_manager(order, lambda manager: manager.add_block(position, "admin"))
    elif how == "unblock":
        _through_manager(order, lambda manager: manager.remove_block(position, "admin"))
    elif how == "pay":
        order.status = Order.STATUS_PAID
        order.save()
    else:
        raise ValueError(how)
    position.refresh_from_db()
    return position.secret


@scopes_disabled()
def checkins(event):
    """Every check-in row of an event, in the order in which the server stored them."""
    rows = Checkin.all.filter(list__event__slug=event).order_by("pk")
    rows = rows.select_related("list", "position", "device", "gate", "raw_item")
    return [
        {
            "list": row.list_id,
            "position": row.position_id,
            "secret": row.position.secret if row.position else row.raw_barcode or "",
            "type": row.type,
            "at": row.datetime.isoformat(),
            "successful": row.successful,
            "reason": row.error_reason or "",
            "explanation": row.error_explanation or "",
            "forced": row.forced,
            "force_sent": bool(row.force_sent),
            "nonce": row.nonce or "",
            "device": row.device.device_id if row.device else 0,
            "gate": row.gate.name if row.gate else "",
            "raw_item": row.raw_item_id or 0,
        }
        for row in rows
    ]


@scopes_disabled()
def set_list(check_in_list, changes):
    """Change the switches or the rules of a check-in list."""
    found = CheckinList.objects.get(pk=check_in_list)
    for name, value in changes.items():
        setattr(found, name, value)
    found.save()


@scopes_disabled()
def new_key(event):
    """Give an event a new key: codes sold before are signed by one that is gone."""
    settings = Event.objects.get(slug=event).settings
    del settings.ticket_secrets_pretix_sig1_privkey
    del settings.ticket_secrets_pretix_sig1_pubkey
    found = Event.objects.get(slug=event)
    found.ticket_secret_generator.generate_secret(found.items.first(), force_invalidate=True)
    found.log_action("pretix.event.settings")


def organizer():
    """The one organizer, made on first use."""
    return Organizer.objects.get_or_create(slug=ORGANIZER, defaults={"name": "Admit's tests"})[0]


def _through_manager(order, act):
    """Change an order as the back office does, so that revoked and blocked lists follow."""
    order.refresh_from_db()
    manager = OrderChangeManager(order, notify=False)
    act(manager)
    manager.commit(check_quotas=False)


def _name(text):
    return {"_scheme": "full", "full_name": f"Guest {text}"}


def _base(number):
    """Four characters of pretix' alphabet for order codes."""
    return "".join(CODES[number // len(CODES) ** place % len(CODES)] for place in range(4))
