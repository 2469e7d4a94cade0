"""What the records of one ticket add up to: its uses, and which of them stand."""

from collections.abc import Iterable
from dataclasses import replace

from admission.direction import Direction
from admission.history import Standing, Use
from store.records import Kind

COUNTS = "counts"
"""How the detail of an outcome begins that leaves its entry standing although nobody was seen."""
ANNUL = "annul"
"""How the detail of an operator's record begins that annuls the presentation it names."""

UsesRow = tuple[str, bytes, float, str, str, str, str, int | None]
"""kind, presentation, at, lane, list, direction, detail, counter."""

_ENDS: dict[Kind, Standing] = {
    Kind.PASSAGE: Standing.PASSED,
    Kind.INTERRUPTED: Standing.INTERRUPTED,
    Kind.NO_PASSAGE: Standing.ANNULLED,
    Kind.ABORTED: Standing.ANNULLED,
    Kind.RESUMED: Standing.RESUMED,
}


def fold(rows: Iterable[UsesRow]) -> list[Use]:
    """Turn scans and what became of them, in the journal's order, into uses.

    Raises:
        ValueError: a row names a kind or a direction that does not exist.
    """
    uses: dict[bytes, Use] = {}
    for kind_name, presentation, at, lane, check_in_list, direction, detail, counter in rows:
        kind, use = Kind(kind_name), uses.get(presentation)
        if kind is Kind.SCAN:
            way = Direction(direction)
            uses[presentation] = Use(presentation, way, check_in_list, at, lane, counter=counter)
        elif use is not None:
            uses[presentation] = _ended(use, kind, detail)
    return list(uses.values())


def standing_after(kind: Kind, detail: str) -> Standing | None:
    """What a record makes of the presentation it names; None: it leaves it as it was.

    The one place that says so, for the gate's own books, its claims and the server.
    Source: docs/protocol.md, "What counts as an entry at central".
    """
    if kind is Kind.OPERATOR:
        return Standing.ANNULLED if detail.startswith(ANNUL) else None
    if kind in {Kind.NO_PASSAGE, Kind.ABORTED} and detail.startswith(COUNTS):
        return Standing.PASSED
    return _ENDS.get(kind)


def _ended(use: Use, kind: Kind, detail: str) -> Use:
    standing = standing_after(kind, detail) or use.standing
    if kind is Kind.OPERATOR:
        return replace(use, standing=standing)
    by_itself = kind is Kind.NO_PASSAGE and not detail.startswith("group")
    return replace(use, standing=standing, turned_back=by_itself)
