"""A version is told where it is known, and never a reason to fail."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest

import periskope_async
from periskope_async.versions import version_of

# What a zipapp or a bundle is: all the code, and no metadata of this package.
BUNDLED = """
import importlib.metadata, sys
def version(name, known=importlib.metadata.version):
    if name == "periskope-async":
        raise importlib.metadata.PackageNotFoundError(name)
    return known(name)
importlib.metadata.version = version
from periskope_async.cli import main
sys.argv[:] = ["periskope", *sys.argv[1:]]
sys.exit(main())
"""


@pytest.mark.parametrize("failure", [importlib.metadata.PackageNotFoundError("x"), KeyError("Version"), None])
def test_a_version_nobody_wrote_down_is_unknown(monkeypatch: pytest.MonkeyPatch, failure: Exception | None) -> None:
    def version(_: str) -> None:
        if failure is not None:
            raise failure

    assert version_of("aiohttp")[0].isdigit()
    monkeypatch.setattr(importlib.metadata, "version", version)
    assert version_of("aiohttp") == periskope_async.__version__ == "unknown"


@pytest.mark.parametrize(
    ("arguments", "told"), [(["--version"], "unknown"), (["doctor", "--sandbox"], "periskope-async unknown, aiohttp")]
)
def test_the_command_line_needs_no_metadata(arguments: list[str], told: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", BUNDLED, *arguments], capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert told in ran.stdout
