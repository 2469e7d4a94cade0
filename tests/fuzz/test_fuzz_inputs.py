"""Every parser takes its seeds, and all that was ever found with it, without a word too many."""

import logging
from collections.abc import Iterator

import pytest

from tests.fuzz.targets import FINDS, SEEDS, TARGETS, inputs


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_finds_are_read_or_refused(name: str) -> None:
    """Runs without atheris, on every machine: what was mended stays mended."""
    for _, data in inputs(name):
        TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_and_rubbish_are_read_or_refused(name: str) -> None:
    for data in (b"", b"\0", b"{}", b"[[[[", b"\xff" * 64, bytes(range(256))):
        TARGETS[name](data)


def test_every_target_has_seeds_and_every_seed_a_target() -> None:
    assert {path.name for path in SEEDS.iterdir()} == set(TARGETS)
    assert all(any((SEEDS / name).iterdir()) for name in TARGETS)
    assert {path.name for path in FINDS.iterdir()} <= {*TARGETS, "README.md"}


def test_seeds_are_small() -> None:
    assert all(len(data) <= 2048 for name in TARGETS for _, data in inputs(name))
