"""What a lane says to screens and followers. Spoken last: after record, metal and light."""

import math
from collections.abc import Callable

from admission.errors import GateError
from admission.folding import Flood
from admission.lane_table import State
from admission.verdict import NEXT_STEP, Verdict
from scanner.showing import Showing
from store.records import Kind

Publish = Callable[..., None]
"""publish(kind, **facts): one live event, see docs/ipc.md."""


class Voice:
    """Publishes the events of one lane."""

    def __init__(self, lane: str, publish: Publish) -> None:
        self._lane, self._publish = lane, publish

    def state(self, state: State, mode: str, showing: Showing | None) -> None:
        """The lane changed state, or its last verdict is no longer to be shown."""
        presentation = showing.presentation.hex() if showing else None
        self._say("state", state=state.value, mode=mode, presentation=presentation)

    def verdict(
        self, showing: Showing, verdict: Verdict, claim: str, state: State, mode: str
    ) -> None:
        """The gate's answer to one presentation; the ticket is masked."""
        key = showing.ticket_key
        self._say(
            "verdict",
            state=state.value,
            mode=mode,
            presentation=showing.presentation.hex(),
            verdict="admitted" if verdict.admitted else "refused",
            reason=verdict.reason.value if verdict.reason else None,
            detail=verdict.detail or None,
            attention=verdict.attention or None,
            next_step=NEXT_STEP[verdict.reason] if verdict.reason else None,
            claim=claim,
            direction=showing.direction.value,
            medium=showing.medium,
            ticket=key.hex()[-4:] if key else None,
        )

    def outcome(self, showing: Showing, kind: Kind, detail: str, state: State) -> None:
        """What became of an admission."""
        self._say(
            "outcome",
            state=state.value,
            presentation=showing.presentation.hex(),
            outcome=kind.value,
            direction=showing.direction.value,
            detail=detail or None,
        )

    def mode(self, mode: str, state: State) -> None:
        """A supervisor changed the mode."""
        self._say("mode", mode=mode, state=state.value)

    def alert(self, cause: str, remedy: str, **facts: object) -> None:
        """Something the steward should look at now."""
        self._say("alert", cause=cause, remedy=remedy, **facts)

    def flood(self) -> None:
        """Invalid codes came too fast for a record each; said once, however long it goes on."""
        self.alert(
            "Somebody holds up many invalid codes, one after the other",
            "Look who it is and take them aside; valid tickets are read as always",
        )

    def flood_over(self, flood: Flood) -> None:
        """It has stopped."""
        lasted = math.ceil((flood.last - flood.since) / 60) or 1
        minutes = "a minute" if lasted == 1 else f"{lasted} minutes"
        self.alert(
            f"The invalid codes have stopped: {flood.codes} more than were noted, in {minutes}",
            "Nothing to do; all of them are counted in the journal",
        )

    def fault(self, name: str, error: GateError) -> None:
        """Something broke."""
        self._say("fault", name=name, cause=error.cause, remedy=error.remedy)

    def recovered(self, name: str) -> None:
        """It works again."""
        self._say("recovered", name=name)

    def _say(self, kind: str, **facts: object) -> None:
        self._publish(kind, lane=self._lane, **facts)
