"""No crash writes what was in memory to the disk: keys, codes, names."""

import subprocess
import sys

import pytest

from tests.project.project_tree import ROOT

MAINS = ("scanner", "sync", "screen", "central", "cli", "playground")
# It begins with the kernel's own filter: this process may have kept its memory private already.
CRASH = """
import os, resource, sys
open("/proc/self/coredump_filter", "w").write("0x33")
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
from config.memory import keep_off_disk
if "private" in sys.argv:
    keep_off_disk()
command = "import os; print(open('/proc/self/limits').read(), " \\
    "open('/proc/self/coredump_filter').read(), flush=True); os.abort()"
os.execv(sys.executable, [sys.executable, "-c", command])
"""


def crashed(cwd, *words: str) -> str:
    """What a process said whose parent kept its memory private, before it crashed."""
    ran = subprocess.run(
        [sys.executable, "-c", CRASH, *words],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode < 0
    return ran.stdout


def test_a_process_and_those_it_starts_write_no_core(tmp_path):
    said = crashed(tmp_path, "private")
    (limit,) = (line for line in said.splitlines() if line.startswith("Max core file size"))
    assert limit.split()[4:6] == ["0", "0"]
    assert said.split()[-1] == "00000000", "no kind of memory goes into a core that is piped"
    assert list(tmp_path.iterdir()) == []


def test_without_it_the_kernel_would_put_memory_into_one(tmp_path):
    """So the test above tells something."""
    assert crashed(tmp_path).split()[-1] != "00000000"


@pytest.mark.parametrize("package", MAINS)
def test_every_process_begins_with_it(package):
    """Readers of tickets inherit it from scanner; the demonstration is started by `admit`."""
    places = {"playground": "cli/__main__.py"}
    text = (ROOT / places.get(package, f"{package}/__main__.py")).read_text("utf-8")
    body = text.partition("\ndef main(")[2]
    assert "keep_off_disk()" in body.partition("\ndef ")[0]
