"""Telling the service manager that a process is ready and alive. Source: sd_notify(3)."""

import os
import socket


def notify(state: str) -> bool:
    """Send ``state``, such as READY=1 or WATCHDOG=1; False when no service manager listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        try:
            channel.sendto(state.encode("utf-8"), address)
        except OSError:  # the manager is gone or stuck: it will notice the missing watchdog
            return False
    return True
