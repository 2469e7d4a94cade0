"""A model of a memory card: each fsync and fdatasync takes 4 ms longer. A model, not a card.

A shared object put before the C library (ld.so(8), LD_PRELOAD), so that SQLite is slowed down
exactly where a card would. It needs a C compiler, on the computer that measures only.
"""

import os
import shutil
import subprocess
from pathlib import Path

EXTRA_MS = 4

_SOURCE = """\
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

static int slowed(const char *name, int handle)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    struct timespec extra = {0, EXTRA_MS * 1000000L};
    nanosleep(&extra, 0);
    return real(handle);
}

int fsync(int handle) { return slowed("fsync", handle); }
int fdatasync(int handle) { return slowed("fdatasync", handle); }
"""


def environment(directory: Path) -> dict[str, str] | None:
    """The environment of a process with the model under it; None: there is no C compiler.

    Args:
        directory: Where the shared object is put.
    Raises:
        subprocess.CalledProcessError: the compiler refuses.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    source, shim = directory / "sd_model.c", directory / "sd_model.so"
    source.write_text(_SOURCE, "ascii")
    command = [compiler, "-shared", "-fPIC", f"-DEXTRA_MS={EXTRA_MS}", "-o", str(shim), str(source)]
    subprocess.run([*command, "-ldl"], check=True)
    return {**os.environ, "LD_PRELOAD": str(shim)}
