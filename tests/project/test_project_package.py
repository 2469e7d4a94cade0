"""What is packed, locked and named."""

import os
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from zipfile import ZipFile

import pytest
from hatchling.build import build_wheel
from project_tree import PACKAGES, PYPROJECT, ROOT

LOCKS = ("requirements.lock", "requirements-dev.lock")


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Names in a wheel built from this tree."""
    directory = tmp_path_factory.mktemp("wheel")
    before = Path.cwd()
    os.chdir(ROOT)  # a build hook works on the current directory (PEP 517)
    try:
        name = build_wheel(str(directory))
    finally:
        os.chdir(before)
    with ZipFile(directory / name) as wheel:
        yield wheel.namelist()


def test_the_wheel_holds_the_packages_and_nothing_else(wheel_names: list[str]) -> None:
    tops = {name.split("/")[0] for name in wheel_names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_the_wheel_holds_every_module_and_data_file(wheel_names: list[str]) -> None:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert path.relative_to(ROOT).as_posix() in wheel_names


def test_the_wheel_holds_no_compiled_or_test_file(wheel_names: list[str]) -> None:
    assert not [name for name in wheel_names if re.search(r"\.pyc$|(^|/)(test_|conftest)", name)]


def test_the_wheel_carries_its_licence(wheel_names: list[str]) -> None:
    assert [name for name in wheel_names if name.endswith("licenses/LICENSE")]


@pytest.mark.parametrize("name", PACKAGES)
def test_our_top_level_names_belong_to_nobody_else(name: str) -> None:
    """Plain names are ours to use only where neither Python nor a dependency has them."""
    owners = set(packages_distributions().get(name, [])) - {"admit"}
    assert name not in sys.stdlib_module_names
    assert not owners


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_index_or_path(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert not re.search(r"://|--(extra-)?index|--find-links|file:", text)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_hashes(lock: str) -> None:
    for block in re.split(r"\n(?=[a-z0-9])", (ROOT / lock).read_text()):
        assert re.match(r"[a-z0-9.-]+==\S+ ;", block)
        assert "--hash=sha256:" in block


def test_the_larger_lock_holds_the_smaller_one() -> None:
    run, dev = (
        set(re.findall(r"^([a-z0-9.-]+==\S+)", (ROOT / lock).read_text(), re.MULTILINE))
        for lock in LOCKS
    )
    assert run < dev


def names_of(requirements: list[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9_.-]", text)[0].lower() for text in requirements}


RUN_TIME = names_of(PYPROJECT["project"]["dependencies"])
GROUPS = PYPROJECT["dependency-groups"]


def test_every_direct_dependency_is_locked() -> None:
    run, dev = (
        set(re.findall(r"^([a-z0-9.-]+)==", (ROOT / lock).read_text(), re.MULTILINE))
        for lock in LOCKS
    )
    assert RUN_TIME | names_of(GROUPS["build"]) <= run
    assert names_of(GROUPS["dev"]) <= dev


def test_every_direct_dependency_has_its_recorded_reason() -> None:
    rows = re.findall(
        r"^\| ([a-z][a-z0-9-]*) \|", (ROOT / "docs/dependencies.md").read_text(), re.M
    )
    wanted = RUN_TIME | names_of(GROUPS["build"]) | names_of(GROUPS["dev"]) - {"pyzbar"}
    assert set(rows) == wanted | {"uv"}


def test_the_links_of_the_front_page_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / target).exists(), target
