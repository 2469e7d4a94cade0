"""Imports point inward, and the lane process stays small."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from project_tree import PACKAGES, ROOT, imports, modules

RANK = {
    "tickets": 0,
    "admission": 1,
    "store": 2,
    "drivers": 2,
    "config": 2,
    "scanner": 3,
    "sync": 3,
    "screen": 3,
    "central": 3,
    "cli": 4,
    "playground": 5,
}
SIDEWAYS = {
    # A device URI is a value of the provisioning file; reading one opens nothing.
    ("config", "drivers.uri"),
}
PURE = {"tickets", "admission"}
CODECS = {"nacl", "cbor2", "cryptography"}
PROCESSES = {"scanner", "sync", "screen", "central"}
REAL_PARTS = {"config.read", "drivers.registry"}
"""What turns a file or a URI into real parts."""

NOT_IN_SCANNER = {
    *("numpy", "cv2", "zxingcpp", "pyzbar", "nfc"),
    "cryptography",  # it is for the keys of cards, which the lane process does not have
    *("requests", "urllib3", "httpx", "http.client", "http.server", "ssl"),
    *("starlette", "uvicorn", "jinja2", "sqlalchemy", "sqlite_utils", "typer", "rich"),
}


def outward(package: str, target: str) -> bool:
    """Whether `package` may not import `target`."""
    home = target.split(".", maxsplit=1)[0]
    if home == package or home not in RANK or (package, target) in SIDEWAYS:
        return False
    return RANK[home] >= RANK[package]


def test_every_package_has_its_rank() -> None:
    assert set(RANK) == set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_inward(package: str) -> None:
    wrong = [
        f"{name} imports {target}"
        for name, path in modules()
        if name.split(".")[0] == package
        for target in sorted(imports(path))
        if outward(package, target)
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("case", "package", "target", "refused"),
    [
        ("a format that asks the gate", "tickets", "admission.verdict", True),
        ("one process in another", "scanner", "sync.push", True),
        ("a library beside another", "store", "drivers.gpio", True),
        ("more than the URI", "config", "drivers.gpio", True),
        ("the URI", "config", "drivers.uri", False),
        ("a library in a process", "scanner", "store.journal", False),
        ("the standard library", "tickets", "hashlib", False),
    ],
)
def test_the_rule_tells_inward_from_outward(
    case: str, package: str, target: str, refused: bool
) -> None:
    assert outward(package, target) is refused


def test_the_pure_packages_import_only_codecs() -> None:
    allowed = PURE | CODECS | sys.stdlib_module_names
    wrong = [
        f"{name} imports {target}"
        for name, path in modules()
        if name.split(".")[0] in PURE
        for target in sorted(imports(path))
        if target.split(".")[0] not in allowed
    ]
    assert not wrong


def test_nothing_in_the_wheel_imports_tests_or_benchmarks() -> None:
    for name, path in modules():
        assert not {"tests", "benchmarks"} & {t.split(".")[0] for t in imports(path)}, name


def test_only_main_wires_real_parts_of_a_process() -> None:
    """Files and devices are opened by a `__main__`, or by a module that nothing else imports."""
    wiring = {
        name
        for name, path in modules()
        if name.split(".")[0] in PROCESSES and imports(path) & REAL_PARTS
    }
    wrong = [
        f"{name} reaches {target}"
        for name, path in modules()
        if not name.endswith(".__main__")
        for target in sorted(imports(path) & wiring)
    ]
    assert wiring
    assert not wrong


def loaded_by(module: str) -> set[str]:
    """Every module in memory after importing `module` in a fresh interpreter."""
    code = f"import {module}, json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_the_lane_process_loads_no_picture_network_or_web_code() -> None:
    """Small is ready in seconds, and has no network code to attack beside the devices."""
    assert not NOT_IN_SCANNER & loaded_by("scanner.__main__")


def test_help_loads_no_command() -> None:
    loaded = loaded_by("cli.__main__")
    assert not {"numpy", "cv2", "sqlalchemy", "starlette", "pydantic"} & loaded
    assert not {name for name in loaded if name.startswith("cli.") and name != "cli.__main__"}


def test_a_file_outside_the_tree_is_not_read(tmp_path: Path) -> None:
    """The lane process starts from any directory: nothing there shadows a module."""
    (tmp_path / "json.py").write_text("raise SystemExit('shadowed')")
    done = subprocess.run(
        [sys.executable, "-P", "-c", "import json"], cwd=tmp_path, check=False, capture_output=True
    )
    assert done.returncode == 0
