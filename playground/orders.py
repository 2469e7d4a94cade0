"""What the visitor has the gate's supervisor, and the simulated person, do."""

import asyncio
from pathlib import Path
from typing import Any

from cli.gate_client import GateClient
from playground.errors import NotNow
from tickets.errors import GateError

ATTEMPTS = 20
PAUSE = 0.15
"""Seconds between attempts: a contact that was opened, a gate that starts, take a moment."""


class Orders:
    """Orders at the gate's control socket, from the loop's thread without waiting in it."""

    def __init__(self, run: Path) -> None:
        self._run = run

    async def give(self, **order: object) -> None:
        """Give one order to one lane, a few times if need be. Raises NotNow."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await asyncio.to_thread(self._give, order)
                return
            except GateError as error:
                if attempt == ATTEMPTS:
                    raise NotNow(error.cause, error.remedy) from error
            await asyncio.sleep(PAUSE)

    async def status(self) -> dict[str, Any]:
        """What the gate says of itself. Raises NotNow."""
        try:
            return await asyncio.to_thread(self._status)
        except GateError as error:
            raise NotNow(error.cause, error.remedy) from error

    def _status(self) -> dict[str, Any]:
        with GateClient(self._run, "events") as gate:
            status: dict[str, Any] = gate.ask(op="status")["status"]
            return status

    def _give(self, order: dict[str, object]) -> None:
        with GateClient(self._run, "control") as gate:
            gate.ask(**order)
