"""One read-only page for a person; plain HTML that renews itself, nothing from elsewhere."""

from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from central.event import Central
from central.organiser import overview

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True
)


def _clock(at: float | None) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%d %b %H:%M:%S}" if at else "never"


_TEMPLATES.filters["clock"] = _clock


def _faults(health: object) -> list[str]:
    """What a gate says is wrong with it; gates may be newer, so any shape is taken."""
    said = health.get("faults") if isinstance(health, dict) else None
    faults = said if isinstance(said, list) else []
    return [str(f.get("cause", f) if isinstance(f, dict) else f)[:200] for f in faults[:20]]


_TEMPLATES.filters["faults"] = _faults


def render(central: Central) -> str:
    """The page as HTML: counts, last entries (masked), gates, conflicts, parked, alarms."""
    return _TEMPLATES.get_template("page.html").render(
        event=central.event,
        now=central.now(),
        counts=overview.counts(central),
        entries=overview.entries(central, 20),
        gates=overview.gates(central),
        conflicts=overview.conflicts(central, 20),
        parked=overview.parked_records(central, 20),
        alarms=overview.alarms(central)[:20],
    )
