"""Packages of npm for what node runs here, kept in the user's cache."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Node", "node_with"]

_INSTALL_SECONDS = 120


class Node(Struct, frozen=True):
    """A node that finds the packages below ``modules`` (its ``NODE_PATH``)."""

    binary: str
    modules: Path
    version: str


def node_with(packages: Mapping[str, str]) -> Node | str:
    """Find or install packages, given as name and version; a string says why that cannot be."""
    binary, npm = shutil.which("node"), shutil.which("npm")
    if not binary or not npm:
        return "node and npm are not on this machine"
    wanted = [f"{name}@{version}" for name, version in packages.items()]
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "periskope-async-benchmarks"
    home = root / "+".join(wanted).replace("/", "-")
    try:
        if not home.is_dir():
            _install(npm, wanted, home)
        ran = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True, timeout=20)  # noqa: S603 - found on the PATH
    except subprocess.CalledProcessError as error:
        # Of npm's words the first line says what went wrong; the others name places on this machine.
        lines = str(error.stderr).strip().splitlines()
        return f"npm could not install {' and '.join(wanted)}: {lines[0] if lines else 'it does not say why'}"
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"npm could not install {' and '.join(wanted)}: {type(error).__name__}"
    return Node(binary, home / "node_modules", f"node {ran.stdout.strip()}")


def _install(npm: str, wanted: list[str], home: Path) -> None:
    """Install beside the place and move: two benchmarks at once do not see each other's half."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
        subprocess.run(  # noqa: S603 - pinned packages, no scripts
            [npm, "install", "--prefix", scratch, "--no-audit", "--no-fund", "--ignore-scripts", *wanted],
            capture_output=True,
            text=True,
            check=True,
            timeout=_INSTALL_SECONDS,
        )
        (Path(scratch) / "done").mkdir()
        for name in ("node_modules", "package.json", "package-lock.json"):
            (Path(scratch) / name).rename(Path(scratch) / "done" / name)
        with contextlib.suppress(OSError):  # another one was first
            (Path(scratch) / "done").rename(home)
