"""The source tree as the project tests see it."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES: list[str] = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def modules() -> Iterator[tuple[str, Path]]:
    """Dotted name and file of every module of the wheel."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts), path


def imports(path: Path) -> set[str]:
    """Dotted names of the modules that the file imports, wherever in it, for types too.

    `from a import b` counts as `a.b` where that is a module of ours, else as `a`.
    """
    found = set()
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise AssertionError(f"{path}: a relative import hides its direction")
            found |= {_module(node.module or "", alias.name) for alias in node.names}
    return found


def _module(package: str, name: str) -> str:
    inner = ROOT / package.replace(".", "/") / name
    return f"{package}.{name}" if inner.with_suffix(".py").is_file() or inner.is_dir() else package
