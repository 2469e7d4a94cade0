"""The admission core of a gate as a program that may be killed at any moment.

    python -P -m tests.rigs.admission_core DIRECTORY LIFE ROUNDS LANES
    python -P -m tests.rigs.admission_core DIRECTORY

Real journal, real decisions, one or two lanes with simulated turnstiles, an authority that
answers, time moved by hand. LIFE, a number, decides which guests come: neighbouring lives share
two thirds of their tickets. Each line says what has just happened, never what is about to:

    ready                   what the last life left is settled, the lanes look at tickets
    back NAME may|asked     the guest of an interrupted admission came back: must be let in once,
                            or was let in again before and the steward is asked
    welcomed                all of those have been served
    shown LANE NAME         a ticket is in view
    released NAME           the turnstile was released for it, and came back from that
    walked NAME             somebody went through
    outcome KIND NAME PRESENTATION
    done                    all rounds are over

Without LIFE it starts lives as they are asked for: of each number read from standard input it
forks one, tells its process id, and when it has ended its exit code; the life says its lines to
DIRECTORY/said-LIFE. A fork starts in a few milliseconds, so that many can be killed.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

from admission.direction import Direction
from admission.history import Standing
from drivers.person import Person
from drivers.protocols import Signal
from scanner.lane import LaneSettings
from scanner.messages import Message, Sensor
from tests.rigs.gate_rig import GateRig, code, key_of, row

Say = Callable[[str], None]

NEW_A_LIFE = 30
WINDOW = 3 * NEW_A_LIFE
HABITS = ("0.4",) * 8 + ("never", "late")
FOR_EVER = 1_000_000


def entries_of(name: str) -> int:
    """Entries of a ticket: every tenth is for a group of three."""
    return 3 if int(name[1:]) % 10 == 0 else 1


class TalkingRig(GateRig):
    """A gate on a bench that says what became of each admission."""

    hear: Callable[..., None] = staticmethod(lambda **_: None)

    def _publish(self, kind: str, **facts: object) -> None:
        self.hear(kind=kind, **facts)


class Core:
    """One life of the gate."""

    def __init__(self, directory: Path, life: int, say: Say, lanes: int = 2) -> None:
        self._say, self._random = say, Random(life)
        first = life * NEW_A_LIFE
        self._names = [f"t{n}" for n in range(first, first + WINDOW)]
        earlier = [f"t{n}" for n in range(max(0, first - NEW_A_LIFE), first)]
        self._known = {key_of(name): name for name in earlier + self._names}
        self._lanes = ("a", "b")[:lanes]
        self._rig = TalkingRig(
            directory,
            [row(name, entries=entries_of(name)) for name in self._known.values()],
            lanes=[LaneSettings(lane, "main") for lane in self._lanes],
            authority="admit",
        )
        self._rig.central.delay = 0.1
        self._rig.hear = self._hear
        self._shown: dict[str, str] = {}
        for lane in self._lanes:
            self._watch(lane)

    def _watch(self, lane: str) -> None:
        turnstile, part = self._rig.turnstiles[lane], self._rig.lanes[lane]
        release, handle = turnstile.release, part.handle

        def said_release(direction: Direction) -> None:
            release(direction)
            self._say(f"released {self._shown[lane]}")

        def said_walk(message: Message) -> None:
            if message == Sensor(Signal.PASSAGE_IN, True):
                self._say(f"walked {self._shown[lane]}")
            handle(message)

        turnstile.release = said_release  # type: ignore[method-assign]
        part.handle = said_walk  # type: ignore[method-assign]

    def _hear(self, kind: str, **facts: object) -> None:
        if kind == "outcome":
            name = self._shown[str(facts["lane"])]
            self._say(f"outcome {facts['outcome']} {name} {facts['presentation']}")

    def run(self, rounds: int) -> None:
        """Serve those who come back, then `rounds` of guests, one at each lane."""
        self._say("ready")
        for entry in self._rig.interrupted:
            if name := self._known.get(entry.record.ticket_key or b""):
                self._come_back(name)
        self._say("welcomed")
        for _ in range(rounds):
            self._round([(lane, self._random.choice(self._names)) for lane in self._lanes])
        self._say("done")

    def _come_back(self, name: str) -> None:
        uses = self._rig.journal.uses(key_of(name))
        again = any(use.standing is Standing.RESUMED for use in uses)
        self._say(f"back {name} {'asked' if again else 'may'}")
        self._round([("a", name)], habits=("0.4",))

    def _round(self, guests: list[tuple[str, str]], habits: tuple[str, ...] = HABITS) -> None:
        """Hold tickets in view for half a second, then wait until everybody is through or gone."""
        for lane, name in guests:
            self._shown[lane] = name
            self._say(f"shown {lane} {name}")
            self._rig.turnstiles[lane].person = Person.parse(self._random.choice(habits))
        codes = [(lane, code(name)) for lane, name in guests]
        for _ in range(5):
            for lane, payload in codes:
                self._rig.sight(payload, lane=lane)
            self._rig.advance(0.1)
        self._rig.advance(2.0)
        while any(turnstile.locked is False for turnstile in self._rig.turnstiles.values()):
            self._rig.advance(1.0)
        self._rig.advance(3.0)


def live(directory: Path, life: int, rounds: int, lanes: int, output: int) -> None:
    """One life, said to the descriptor `output`; a line that was written outlives a kill."""

    def say(line: str) -> None:
        os.write(output, f"{line}\n".encode())

    Core(directory, life, say, lanes).run(rounds)


def nursery(directory: Path) -> None:
    """Fork a life of each number on standard input, one at a time."""
    for number in sys.stdin:
        life = int(number)
        if (child := os.fork()) == 0:
            said = os.open(directory / f"said-{life}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            live(directory, life, FOR_EVER, 2, said)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    where, *numbers = sys.argv[1:]
    if numbers:
        live(Path(where), *(int(number) for number in numbers), output=1)  # type: ignore[misc]
    else:
        nursery(Path(where))
