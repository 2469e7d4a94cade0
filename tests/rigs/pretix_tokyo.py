"""The event "tokyo": every state of a ticket, a list for every switch; runs inside pretix' venv."""

from datetime import UTC, datetime

from pretix.base.models import Checkin, Order
from pretix_seeds import change
from pretix_stage import DAY, HOUR, MINUTE, NOW, Stage


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
        expires=datetime(2021, 1, 1, tzinfo=UTC),
    )
    over = ticket("on-band-over", valid_until=NOW - HOUR)
    stage.medium("band-two-times", "nfc_uid", [over, ticket("on-band-now", valid_from=NOW - HOUR)])
    stage.medium("band-later", "nfc_uid", [
        ticket("on-later", valid_from=NOW + HOUR), ticket("on-latest", valid_from=NOW + DAY),
    ])  # fmt: skip
    stage.medium("band-ambiguous", "nfc_uid", [ticket("on-a"), ticket("on-b")])
    stage.medium("band-addon", "nfc_uid", [stage.positions["one-extra"]])
    stage.medium("band-empty", "nfc_uid", [])
