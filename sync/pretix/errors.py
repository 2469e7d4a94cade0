"""The named faults of talking to a pretix server."""

from sync.errors import ServerFault
from tickets.errors import GateError


class PretixRefused(ServerFault):
    """The server says no, in its own words; `status` is the HTTP status."""

    def __init__(self, url: str, what: str, status: int, said: str) -> None:
        super().__init__(
            f"pretix at {url} refused {what} ({status}): {said or 'no reason given'}",
            "Look at the device's page in pretix; the gate asks again by itself",
        )
        self.status, self.said = status, said


class TooManyRequests(ServerFault):
    """The server asks to be asked less often; it is, after `seconds`."""

    def __init__(self, url: str, seconds: float) -> None:
        super().__init__(
            f"pretix at {url} asks for fewer requests: the next one in {seconds:.0f} s",
            "Nothing to do, unless it stays: then too many devices share one limit; ask the host",
        )
        self.seconds = seconds


class DeviceRevoked(GateError):
    """The organiser has taken this device its access: its data is wiped."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"pretix at {url} has revoked this device; tickets, keys and token were wiped here",
            "If that was a mistake: add a new device in pretix and enrol this gate with its code",
        )


class TokenUnknown(ServerFault):
    """The server does not know the token this gate was given."""

    def __init__(self, url: str, said: str, rolled: bool) -> None:
        why = "its newest token was lost while it was exchanged" if rolled else said
        super().__init__(
            f"pretix at {url} does not know this device: {why}",
            "Add a new device in pretix, remove the gate's identity (admit pretix forget), and "
            "enrol it with the new code; the tickets it has stay in use until then",
        )


class TokenRefused(GateError):
    """The one-time token of the set-up code does not work."""

    def __init__(self, url: str, said: str) -> None:
        super().__init__(
            f"pretix at {url} did not take the set-up code: {said}",
            "Add a new device in pretix (Organizer > Devices) and use the code shown there, once",
        )


class ProfileForbids(ServerFault):
    """The device's security profile does not allow a call that the gate cannot do without."""

    def __init__(self, url: str, what: str) -> None:
        super().__init__(
            f"pretix at {url} does not let this device read {what}: its profile forbids it",
            "Give the device the profile pretixSCAN on its page in pretix",
        )


class EventTakenAway(ServerFault):
    """The device may no longer read an event that it is to admit tickets of."""

    def __init__(self, event: str) -> None:
        super().__init__(
            f"pretix no longer lets this device read event {event}",
            "Give the device the event again on its page in pretix, or take it from [server] "
            "events in admit.toml; its last known tickets stay in use until then",
        )


class SigningKeyChanged(ServerFault):
    """An event has another key for its signed codes than it had; its tickets were not."""

    def __init__(self, event: str) -> None:
        super().__init__(
            f"pretix has had another key for the signed codes of event {event} for less than a "
            "day; codes of the earlier key that are not on the list here are refused",
            "Ask the organiser whether that was meant: then guests with earlier codes need new "
            "tickets, or the device the profile pretixSCAN; else somebody has changed the event",
        )


class EventMissing(ServerFault):
    """There is no such event at this organizer."""

    def __init__(self, event: str) -> None:
        super().__init__(
            f"pretix has no event {event} for this device",
            "Correct [server] events in admit.toml: the short form in the event's address",
        )


class NoEvent(ServerFault):
    """admit.toml names no event, and the server suggests none."""

    def __init__(self) -> None:
        super().__init__(
            "admit.toml names no event, and pretix has none for this device and its gate now",
            'Write events = ["short-form"] in [server], or give the device an event and its gate '
            "a check-in list in pretix",
        )


class ListMissing(ServerFault):
    """No chosen event has a check-in list of the name that a lane admits."""

    def __init__(self, name: str, known: list[str]) -> None:
        lists = ", ".join(known[:8]) or "none"
        super().__init__(
            f"no chosen event has a check-in list named '{name}'; there are: {lists}",
            "Correct check_in_list of the lane in admit.toml, or add that list in pretix",
        )


class ListTwice(ServerFault):
    """Two check-in lists of an event have the name that a lane admits."""

    def __init__(self, name: str, event: str) -> None:
        super().__init__(
            f"event {event} has more than one check-in list named '{name}'",
            "Rename one of them in pretix: the gate must know which one the lane admits",
        )


class TooManyKinds(ServerFault):
    """More kinds of ticket, or keys, than a gate can tell apart."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"the chosen events have more {what} than a gate can hold",
            "Choose fewer events for this gate in [server] events",
        )


class Loading(ServerFault):
    """A full download goes on; what is here already is admitted."""

    def __init__(self, event: str, done: int = 0, of: int = 0) -> None:
        far = f": {min(done, of)} of about {of} orders are here" if of else ""
        super().__init__(
            f"tickets of {event} are being fetched{far}",
            "Wait before opening: a ticket that is not here yet is refused as unknown",
        )


class StagingNotWritten(GateError):
    """pretix.db could not be written; what was there is as it was."""

    def __init__(self, what: object) -> None:
        super().__init__(
            f"pretix.db cannot be written: {what}",
            "Free space on the gate's disk, or replace a card that became read-only",
        )


class HandshakeUnreadable(GateError):
    """A set-up code that this version cannot use."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"the set-up code cannot be used: {what}",
            "Show the code of the device's page in pretix; if it is newer than this gate, update",
        )


class WrongServer(GateError):
    """A set-up code, or a server's answer, of another server or organizer than admit.toml names."""

    def __init__(self, what: str, ours: str, theirs: str) -> None:
        super().__init__(
            f"the set-up code is of {what} {theirs[:80]!r}, admit.toml says {ours!r}",
            "Show the code of the right server, or correct [server] in admit.toml",
        )


class PretixIdentityMissing(GateError):
    """The gate is not enrolled at pretix, and has nothing to enrol with."""

    def __init__(self) -> None:
        super().__init__(
            "the gate is not enrolled at pretix",
            "Show the set-up code of the device's page in pretix to a camera of the gate, or "
            "write its url and token into [server] of admit.toml",
        )


class ZoneUnknown(ServerFault):
    """An event's time zone is not known on this machine."""

    def __init__(self, event: str, zone: str) -> None:
        super().__init__(
            f"event {event} is in time zone {zone[:40]!r}, which this gate does not know",
            "Install the package tzdata on the gate; until then its rules cannot be judged",
        )


class BodyGone(ServerFault):
    """The rows of a list are not on the card; a new list is signed at the next round."""

    def __init__(self) -> None:
        super().__init__(
            "the rows of the newest list are not on the card any more",
            "Nothing to do: the gate writes them anew; check the card if it recurs",
        )


class ScansParked(GateError):
    """Some scans were judged by the server, and not taken."""

    def __init__(self, number: int, last: str) -> None:
        super().__init__(
            f"pretix did not take {number} scan(s); the last: {last[:300]}",
            "See each with 'admit pretix parked', and correct them in pretix by hand",
        )
