"""The switches: everything that goes wrong at an event, as one press on the page."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from playground.errors import BadRequest, NoSuchThing

Value = bool | str | None
Set = Callable[[Value], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Switch:
    """One switch. ``options``: id and label of each value, of a choice only."""

    id: str
    label: str
    story: str
    kind: str
    get: Callable[[], Value]
    set: Set
    options: Mapping[str, str] = field(default_factory=dict)

    def told(self) -> dict[str, object]:
        """As the page is told."""
        about: dict[str, object] = {
            "id": self.id,
            "label": self.label,
            "story": self.story,
            "kind": self.kind,
            "value": self.get(),
        }
        if self.options:
            about["options"] = [{"id": id_, "label": text} for id_, text in self.options.items()]
        return about

    def checked(self, value: object) -> Value:
        """``value``, if this switch takes it. Raises BadRequest."""
        if self.kind == "toggle" and isinstance(value, bool):
            return value
        if self.kind == "choice" and isinstance(value, str) and value in self.options:
            return value
        if self.kind == "press" and value is None:
            return None
        takes = {"toggle": "true or false", "press": "no value"}
        raise BadRequest(
            f"Switch {self.id} does not take that value",
            f"It takes {takes.get(self.kind) or ', '.join(self.options)}",
        )


class Switches:
    """All of them, by name, in the order of the page."""

    def __init__(self, switches: list[Switch]) -> None:
        self._all = {switch.id: switch for switch in switches}

    def told(self) -> list[dict[str, object]]:
        """As the page is told."""
        return [switch.told() for switch in self._all.values()]

    def find(self, name: object) -> Switch:
        """The switch of that name. Raises NoSuchThing."""
        found = self._all.get(name) if isinstance(name, str) else None
        if found is None:
            raise NoSuchThing("There is no such switch", f"There are: {', '.join(self._all)}")
        return found
