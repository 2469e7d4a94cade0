"""Runs inside pretix' venv, as a process of its own: serves pretix and obeys the rig.

    python pretix_inside.py PORT WORKERS

One JSON object per line comes in, {"do": name, "with": {...}}, one goes out, {"ok": value} or
{"error": text}. The end of the input ends the server. It answers on loopback only. Names that can
be called are the functions of pretix_seeds.py. Django's own threaded server is enough here: what is
tested is what pretix answers, not how fast.
"""

import json
import logging
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from wsgiref.util import setup_testing_defaults

import django

sys.path.insert(0, str(Path(__file__).parent))


def main(port: int, workers: int) -> None:
    """Serve until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what pretix prints goes to the log, never between the answers
    django.setup()
    logging.getLogger("django.server").setLevel(logging.ERROR)  # not a line for every request
    import pretix_seeds
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
    from pretix.wsgi import application

    class Handler(WSGIRequestHandler):
        disable_nagle_algorithm = True

    class Server(ThreadedWSGIServer):
        allow_reuse_address = True
        request_queue_size = 128

    warm(application)
    server = Server(("127.0.0.1", port), Handler)
    server.set_app(application)
    children = [_child(server) for _ in range(workers - 1)]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    say(answers, {"ok": server.server_address[1]})
    for line in sys.stdin:
        order = json.loads(line)
        try:
            say(answers, {"ok": getattr(pretix_seeds, order["do"])(**order["with"])})
        except Exception:  # noqa: BLE001 - the rig raises it again, with this text
            say(answers, {"error": traceback.format_exc()})
    for child in children:
        os.kill(child, signal.SIGKILL)
    os._exit(0)


def warm(application) -> None:
    """Load what the first request loads, once and before there are several processes."""
    from django.db import connections

    environ = {"PATH_INFO": "/api/v1/version", "QUERY_STRING": ""}
    setup_testing_defaults(environ)
    list(application(environ, lambda _status, _headers: None))
    connections.close_all()


def say(answers, value) -> None:
    """One answer, one line."""
    answers.write(json.dumps(value) + "\n")
    answers.flush()


def _child(server) -> int:
    """A further process on the same socket, so that two requests really run at once."""
    pid = os.fork()
    if pid:
        return pid
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    server.serve_forever()
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
