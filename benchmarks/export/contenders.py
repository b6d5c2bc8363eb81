"""Who exports, and what each of them needs: an older build from git, or packages that we do not depend on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import venv
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, json

from benchmarks.export.programs.harness import Job, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DLT", "HTTPX", "JSONL", "LOOP", "OURS", "PARQUET", "REQUESTS", "SQLITE", "ZST", "Contender", "J", "Team"]

_ROOT = Path(__file__).parents[2]
_OLDER = "bcf56b7"
# Not of the extra `bench`: they are 300 MB, and only a full run needs them.
_RIVALS = (
    "dlt[duckdb]==1.31.0",
    "duckdb==2.0.1",
    "httpx==0.28.1",
    "pandas==3.1.1",
    "pyarrow==26.0.1",
    "pydantic==2.14.4",
    "requests==2.34.2",
)
_INSTALL_SECONDS = 600
_MOST_SECONDS = 1_200


class Contender(Struct, frozen=True, kw_only=True):
    """One way to export."""

    name: str
    program: str
    out: str
    """The file's name, which tells the format."""
    is_older: bool = False
    is_rival: bool = False
    """Whether it needs the rivals' environment."""


def _ours(out: str) -> Contender:
    return Contender(name=out.removeprefix("out."), program="ours", out=out)


JSONL, ZST, PARQUET, SQLITE = map(_ours, ("out.jsonl", "out.jsonl.zst", "out.parquet", "out.sqlite"))
OURS = (JSONL, ZST, PARQUET, SQLITE)
J = Contender(name=f"J: JSONL of {_OLDER}", program="ours", out="older.jsonl", is_older=True)
LOOP = Contender(name="loop: aiohttp, resp.json(), json.dumps", program="aiohttp_json", out="loop.jsonl")
HTTPX = Contender(name="httpx, pydantic, pandas", program="httpx_pandas", out="httpx.parquet", is_rival=True)
REQUESTS = Contender(name="loop: requests, pandas", program="requests_pandas", out="requests.parquet", is_rival=True)
DLT = Contender(name="dlt rest_api into DuckDB", program="dlt_rest_api", out="dlt.duckdb", is_rival=True)


class Team:
    """Runs contenders, each in a process of its own. ``absent`` says of those that cannot run here why they cannot."""

    def __init__(self, folder: Path, *, may_install: bool) -> None:
        self.absent: dict[str, str] = {}
        self._folder = folder
        self._older = self._found((J,), self._older_build)
        self._python = self._found((HTTPX, REQUESTS, DLT), lambda: _rivals_python(may_install=may_install))

    def run(self, contender: Contender, job: Job) -> Outcome:
        """Run it once. Raises RuntimeError, with what it wrote, where it fails."""
        python = self._python if contender.is_rival and self._python else Path(sys.executable)
        ran = subprocess.run(  # noqa: S603 - our own programs
            [python, "-m", f"benchmarks.export.programs.{contender.program}", json.encode(job).decode()],
            capture_output=True,
            text=True,
            check=False,
            cwd=self._older if contender.is_older else _ROOT,
            # The folder that a program is run in comes first on its path.
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            timeout=_MOST_SECONDS,
        )
        if ran.returncode:
            raise RuntimeError(f"{contender.name} failed: {ran.stderr.strip()[-2000:]}")
        return json.decode(ran.stdout.splitlines()[-1], type=Outcome)

    def _found(self, contenders: tuple[Contender, ...], find: Callable[[], Path | str]) -> Path | None:
        found = find()
        if isinstance(found, Path):
            return found
        self.absent |= dict.fromkeys([contender.name for contender in contenders], found)
        return None

    def _older_build(self) -> Path | str:
        """Unpack the older package beside these benchmarks; a string says why that cannot be."""
        git = shutil.which("git")
        if git is None:
            return "git is not on this machine"
        ran = subprocess.run(  # noqa: S603 - found on the PATH
            [git, "-C", _ROOT, "archive", _OLDER, "periskope_async"], capture_output=True, check=False, timeout=60
        )
        if ran.returncode:
            return f"this is no git checkout that has commit {_OLDER}"
        older = self._folder / "older"
        with tarfile.open(fileobj=BytesIO(ran.stdout)) as archive:
            archive.extractall(older, filter="data")
        shutil.copytree(_ROOT / "benchmarks", older / "benchmarks")
        return older


def _rivals_python(*, may_install: bool) -> Path | str:
    """Find or make an environment, kept in the user's cache, with the packages that others would use."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "periskope-async-benchmarks"
    name = "+".join(wanted.replace("[", "-").replace("]", "") for wanted in _RIVALS)
    home = root / f"py{sys.version_info.major}.{sys.version_info.minor}+{name}"
    python = home / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    # It is written when all packages are there.
    done = home / "done"
    if done.exists():
        return python
    if not may_install:
        return "its packages are installed by a full run only"
    try:
        venv.create(home, with_pip=True, clear=True)
        subprocess.run(  # noqa: S603 - pinned packages
            [python, "-m", "pip", "install", "--quiet", *_RIVALS],
            capture_output=True,
            text=True,
            check=True,
            timeout=_INSTALL_SECONDS,
        )
        done.touch()
    except (OSError, subprocess.SubprocessError) as error:
        return f"pip could not install {', '.join(_RIVALS)}: {type(error).__name__}"
    return python
