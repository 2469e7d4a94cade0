"""What a release that nobody was seen to use means (design, section 4, sensor trust)."""

from dataclasses import dataclass

from admission.direction import Direction
from admission.sensor import SensorTrust
from scanner.showing import Showing
from store.journal import COUNTS
from store.records import Kind

FREE_FLOW = "free flow"
"""Detail of a scan's passage in free flow: the sensor counts people then, the scan does not."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How an admission is closed."""

    kind: Kind
    detail: str = ""
    asks_steward: bool = False

    @property
    def stands(self) -> bool:
        """Whether the entry or exit counts."""
        return self.kind is Kind.PASSAGE or self.detail.startswith(COUNTS)


def nobody_seen(showing: Showing, sensor: SensorTrust, turned_back: int) -> Ending:
    """The ending of a release without a passage.

    Args:
        sensor: Already told of this miss.
        turned_back: How often this ticket was annulled here unasked before.
    """
    if not sensor.trusted:
        return Ending(Kind.PASSAGE, f"assumed: {sensor.why or 'no passage sensor'}")
    if showing.continuation:
        return Ending(Kind.NO_PASSAGE, "group: the rest did not come")
    if showing.direction is Direction.ENTRY and turned_back:
        detail = f"{COUNTS}: second time without passage, steward asked"
        return Ending(Kind.NO_PASSAGE, detail, asks_steward=True)
    return Ending(Kind.NO_PASSAGE)
