"""The visitor's hand, at a real simulated camera and a real purse's socket."""

import asyncio
import json
import socket
from pathlib import Path

import numpy as np
import pytest

from drivers.camera_sim import SimulatedCamera
from drivers.errors import DeviceLost, DeviceNotFound
from drivers.pace import FakePace
from drivers.uri import DriverUri
from playground.hand import Hand
from playground.purse import Purse
from tickets.ndef import find_ticket, read_message

PICTURE = np.full((60, 80), 40, np.uint8)
WAIT = 10.0


def camera(path: Path) -> SimulatedCamera:
    """The camera that a reader child opens, without its pauses."""
    found = SimulatedCamera.open(DriverUri.parse(f"camera:sim:{path}"), lambda _: None)
    found._pace = FakePace()
    return found


async def see(eye: SimulatedCamera, shape: tuple[int, int]) -> None:
    """Look until a picture of that shape is in view."""
    async with asyncio.timeout(WAIT):
        while (await asyncio.to_thread(eye.read)).shape != shape:
            pass


def test_what_is_held_up_is_seen_and_told(tmp_path: Path) -> None:
    async def play() -> list[int]:
        told: asyncio.Queue[int] = asyncio.Queue()
        hand = Hand(tmp_path / "eye", lambda number, _: told.put_nowait(number))
        await hand.plug()
        eye = await asyncio.to_thread(camera, hand.path)
        hand.show(7, PICTURE)
        await see(eye, PICTURE.shape)
        hand.clear()
        await see(eye, (720, 1280))
        found = [await told.get()]
        await hand.unplug()
        return found

    assert asyncio.run(play()) == [7]


def test_a_camera_that_starts_anew_sees_what_is_still_held_up(tmp_path: Path) -> None:
    async def play() -> None:
        hand = Hand(tmp_path / "eye", lambda *_: None)
        await hand.plug()
        hand.show(7, PICTURE)
        await see(await asyncio.to_thread(camera, hand.path), PICTURE.shape)
        await see(await asyncio.to_thread(camera, hand.path), PICTURE.shape)
        await hand.unplug()

    asyncio.run(play())


def test_an_unplugged_camera_is_lost_and_not_found_until_it_is_plugged_in(tmp_path: Path) -> None:
    async def play() -> None:
        hand = Hand(tmp_path / "eye", lambda *_: None)
        await hand.plug()
        eye = await asyncio.to_thread(camera, hand.path)
        await see(eye, (720, 1280))
        await hand.unplug()
        with pytest.raises(DeviceLost):
            await see(eye, PICTURE.shape)
        with pytest.raises(DeviceNotFound):
            await asyncio.to_thread(camera, hand.path)
        await hand.plug()
        await see(await asyncio.to_thread(camera, hand.path), (720, 1280))
        await hand.unplug()

    asyncio.run(play())


def test_a_card_carries_the_ticket_itself(tmp_path: Path) -> None:
    signed = b"\xd2\x84" + bytes(120)

    async def play() -> dict[str, object]:
        purse = Purse(tmp_path / "purse", lambda *_: None)
        purse.open()
        reader = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        reader.connect(str(tmp_path / "purse"))
        reader.setblocking(False)
        async with asyncio.timeout(WAIT):
            while not purse.ready:
                await asyncio.sleep(0)
        purse.hold(3, signed)
        message = json.loads(await asyncio.get_running_loop().sock_recv(reader, 8192))
        reader.close()
        async with asyncio.timeout(WAIT):
            while purse.ready:
                await asyncio.sleep(0)
        purse.close()
        return message

    message = asyncio.run(play())
    records = read_message(bytes.fromhex(str(message["ndef"])))
    assert isinstance(records, list | tuple)
    found = find_ticket(records)
    assert (message["id"], found and found.payload) == (3, signed)
