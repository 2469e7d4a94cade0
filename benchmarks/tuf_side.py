"""What python-tuf's client does where a gate's needs are hard: run by benchmarks/against_tuf.py.

Runs in an environment of its own (tuf.lock). Prints one JSON object. A repository of one key per
role lives in a dict; the client fetches from it.
"""

import datetime
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import DownloadHTTPError, ExpiredMetadataError, RepositoryError
from tuf.api.metadata import (
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.ngclient import FetcherInterface, Updater
from tuf.ngclient._internal import trusted_metadata_set

ROW = b"r" * 30
UTC = datetime.timezone.utc  # noqa: UP017  # as tuf's own code has it


class Repository(FetcherInterface):
    """Signed metadata, and the bytes that were fetched of it."""

    def __init__(self, days: float = 1.0) -> None:
        self.signer = CryptoSigner.generate_ed25519()
        self.fetched = 0
        self.files: dict[str, bytes] = {}
        self.parts = {
            "root": Root(consistent_snapshot=True),
            "timestamp": Timestamp(),
            "snapshot": Snapshot(),
            "targets": Targets(),
        }
        root = self.parts["root"]
        for role in self.parts:
            root.add_key(self.signer.public_key, role)
        self.days = days
        self.publish()

    def add(self, name: str, data: bytes) -> None:
        """One target more: a delta, as a file of its own."""
        self.parts["targets"].targets[name] = TargetFile.from_data(name, data)

    def publish(self) -> None:
        """Sign everything anew."""
        until = datetime.datetime.now(UTC) + datetime.timedelta(days=self.days)
        for part in self.parts.values():
            part.expires = until.replace(microsecond=0)
        if "1.root.json" not in self.files:
            self.parts["root"].expires += datetime.timedelta(days=3650)
            self.files["1.root.json"] = self._signed("root")
        targets, snapshot = self.parts["targets"], self.parts["snapshot"]
        targets.version += 1
        snapshot.version += 1
        self.parts["timestamp"].version += 1
        snapshot.meta["targets.json"] = MetaFile(targets.version)
        self.parts["timestamp"].snapshot_meta = MetaFile(snapshot.version)
        self.files[f"{targets.version}.targets.json"] = self._signed("targets")
        self.files[f"{snapshot.version}.snapshot.json"] = self._signed("snapshot")
        self.files["timestamp.json"] = self._signed("timestamp")

    def _signed(self, role: str) -> bytes:
        metadata = Metadata(self.parts[role])
        metadata.sign(self.signer)
        return metadata.to_bytes()

    def _fetch(self, url: str) -> Iterator[bytes]:
        data = self.files.get(url.rsplit("/", 1)[-1])
        if data is None:
            raise DownloadHTTPError("absent", 404)
        self.fetched += len(data)
        yield data


def client(repository: Repository, directory: Path) -> Updater:
    """A client with the first root pinned; what it has stored stays."""
    root = repository.files["1.root.json"]
    return Updater(str(directory), "http://x/", fetcher=repository, bootstrap=root)


def fsyncs(directory: Path) -> int:
    """How often an update is made durable."""
    with mock.patch("os.fsync") as fsync, mock.patch("os.fdatasync") as fdatasync:
        client(Repository(), directory).refresh()
        return fsync.call_count + fdatasync.call_count


def rolled_back(directory: Path) -> bool:
    """A power cut empties the stored files; is what was current before then taken?"""
    repository = Repository()
    old = dict(repository.files)
    repository.add("cancellation", ROW)
    repository.publish()
    client(repository, directory).refresh()
    for path in directory.glob("[tsr]*.json"):
        path.write_bytes(b"")
    repository.files = old
    try:
        updater = client(repository, directory)
        updater.refresh()
    except RepositoryError:
        return False
    return updater.get_targetinfo("cancellation") is None


def usable_when_expired(directory: Path) -> bool:
    """What was verified yesterday, at a gate whose server is away today."""
    repository = Repository(days=1.0)
    repository.add("list", ROW)
    repository.publish()
    client(repository, directory).refresh()
    clock = mock.Mock(wraps=datetime)
    clock.datetime.now.return_value = datetime.datetime.now(UTC) + datetime.timedelta(days=2)
    with mock.patch.object(trusted_metadata_set, "datetime", clock):
        updater = client(repository, directory)
        try:
            return updater.get_targetinfo("list") is not None
        except ExpiredMetadataError:
            return False


def believes_the_host_clock(directory: Path) -> bool:
    """A frozen answer, expired two days ago, at a board whose clock is three days behind."""
    repository = Repository(days=-2.0)
    clock = mock.Mock(wraps=datetime)
    clock.datetime.now.return_value = datetime.datetime.now(UTC) - datetime.timedelta(days=3)
    with mock.patch.object(trusted_metadata_set, "datetime", clock):
        try:
            client(repository, directory).refresh()
        except ExpiredMetadataError:
            return False
    return True


def cost(directory: Path, deltas: int) -> dict[str, float]:
    """Bytes and seconds to learn of one delta more after so many."""
    repository = Repository()
    for number in range(deltas):
        repository.add(f"delta-{number:08d}", ROW)
    repository.publish()
    client(repository, directory).refresh()
    repository.add("one-more", ROW)
    repository.publish()
    repository.fetched, start = 0, time.perf_counter()
    client(repository, directory).refresh()
    return {"bytes": repository.fetched, "seconds": time.perf_counter() - start}


def main() -> None:
    """Measure, each in a directory of its own."""
    with tempfile.TemporaryDirectory() as base:
        places = iter(Path(base) / str(number) for number in range(99))

        def place() -> Path:
            path = next(places)
            path.mkdir()
            return path

        told = {
            "fsyncs": fsyncs(place()),
            "rolled_back": rolled_back(place()),
            "usable_when_expired": usable_when_expired(place()),
            "host_clock": believes_the_host_clock(place()),
            "cost": {str(n): cost(place(), n) for n in map(int, sys.argv[1:])},
        }
    os.write(1, json.dumps(told).encode() + b"\n")


if __name__ == "__main__":
    main()
