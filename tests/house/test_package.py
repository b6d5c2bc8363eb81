"""What the package asks of others."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize(
    ("version", "is_taken"),
    [("3.11.18", False), ("3.12.0", True), ("3.13.3", True), ("3.14.0", False), ("3.14.1", False), ("3.14.2", True)],
)
def test_versions_of_aiohttp_that_are_taken(version: str, *, is_taken: bool) -> None:
    """In two of them a read timer rings on connections that rest in the pool."""
    (aiohttp,) = [needed for text in PROJECT["dependencies"] if (needed := Requirement(text)).name == "aiohttp"]
    assert aiohttp.specifier.contains(version) is is_taken


def test_the_base_install_is_three_packages() -> None:
    assert {Requirement(text).name for text in PROJECT["dependencies"]} == {"aiohttp", "aiolimiter", "msgspec"}
