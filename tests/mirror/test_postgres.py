"""A mirror's own settings of a PostgreSQL connection hold, and those of its URL stay."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import MirrorError
from periskope_async.mirror.database import DatabaseBusyError, database_for
from periskope_async.mirror.lists import CHATS
from periskope_async.mirror.merge import Outcome
from periskope_async.mirror.store import ListState, Store
from tests.mirror.test_store import NOW, drop, merge, row, select

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from periskope_async.mirror.table import Value


def execute(url: str, statement: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


@pytest.fixture(params=["SQL_ASCII", "client_encoding", "German"])
def unusual(request: pytest.FixtureRequest, postgres_database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the URL of a database with unusual settings."""
    name = name_of(postgres_database)
    if request.param == "client_encoding":
        monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    elif request.param == "German":
        execute(postgres_database, f"ALTER DATABASE {name} SET datestyle = 'German'")
    else:
        options = "ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
        execute(postgres_database, f"CREATE DATABASE {name}_ascii {options}")
        return postgres_database.replace(f"/{name}?", f"/{name}_ascii?")
    return postgres_database


@pytest.fixture
def store(unusual: str) -> Iterator[Store]:
    store = Store(database_for(unusual), keeps_history=True)
    store.open([CHATS])
    with closing(store):
        yield store


def test_rows_are_found_again_whatever_the_settings(store: Store) -> None:
    merge(store, row(1, updated=5, chat_name="Ω 🙂"))
    assert merge(store, row(1, updated=4, chat_name="old")) == [Outcome.OUTDATED]
    drop(store)
    assert select(store, "chat_name") == [("Ω 🙂",)]
    assert merge(store, row(1, updated=4), source="event") == [Outcome.OUTDATED]
    assert merge(store, row(1, updated=5)) == [Outcome.RESTORED]


def test_a_database_that_cannot_hold_a_character_is_told(postgres_database: str) -> None:
    name = name_of(postgres_database)
    execute(postgres_database, f"CREATE DATABASE {name}_latin ENCODING 'LATIN1' TEMPLATE template0")
    with closing(Store(database_for(postgres_database.replace(f"/{name}?", f"/{name}_latin?")))) as store:
        store.open([CHATS])
        with pytest.raises(MirrorError, match='no equivalent in encoding "LATIN1"'):
            merge(store, row(1, chat_name="🙂"))


def test_the_options_of_the_url_hold(postgres_database: str) -> None:
    import psycopg

    execute(postgres_database, "CREATE SCHEMA mine")
    with closing(Store(database_for(f"{postgres_database}&options=-csearch_path%3Dmine"))) as store:
        store.open([CHATS])
    with psycopg.connect(postgres_database) as connection:
        schemas = connection.execute("SELECT table_schema FROM information_schema.tables WHERE table_name = 'chats'")
        assert schemas.fetchall() == [("mine",)]


def name_of(url: str) -> str:
    return url.rpartition("?")[0].rpartition("/")[2]


def cut_off(url: str, *, via: str | None = None) -> None:
    """End all other connections to the database, as a restart of the server does."""
    others = f"datname = '{name_of(url)}' AND pid <> pg_backend_pid()"
    execute(via or url, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")  # noqa: S608 - above


def test_a_connection_lost_between_two_events_is_made_anew(postgres_database: str) -> None:
    with closing(Store(database_for(postgres_database))) as store:
        store.open([CHATS])
        merge(store, row(1, updated=5))
        cut_off(postgres_database)
        assert merge(store, row(1, updated=6)) == [Outcome.UPDATED]
        with pytest.raises(MirrorError, match="another mirror writes to"):
            Store(database_for(postgres_database)).open([CHATS])


def test_a_mirror_whose_place_was_taken_meanwhile_writes_nothing(postgres_database: str) -> None:
    with closing(Store(database_for(postgres_database))) as store:
        store.open([CHATS])
        cut_off(postgres_database)
        with closing(Store(database_for(postgres_database))) as other:
            other.open([CHATS])
            for _ in range(2):
                with pytest.raises(DatabaseBusyError, match=r"another mirror writes to .* If none does, a pooler"):
                    merge(store, row(1, updated=5))
        assert merge(store, row(1, updated=5)) == [Outcome.INSERTED]


def test_a_sweep_that_ends_looks_up_no_row_by_reading_all_keys(
    postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL reads a set of keys again for each row if it takes the set to exceed ``work_mem``."""
    with closing(Store(database_for(f"{postgres_database}&options=-cwork_mem%3D64kB"))) as store:
        store.open([CHATS])
        store.begin_sweep(CHATS)
        merge(store, *(row(number) for number in range(3_000)), is_sweeping=True)
        execute(postgres_database, "ANALYZE")
        run, plans = store._database.execute, list[str]()

        def explained(statement: str, parameters: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
            if "mirror_met" in statement and statement.startswith("UPDATE"):
                plans.append("\n".join(line for (line,) in run(f"EXPLAIN {statement}", parameters)))
            return run(statement, parameters)

        monkeypatch.setattr(store._database, "execute", explained)
        store.finish_sweep(CHATS, complete=True, now=NOW, state=ListState(swept_at=NOW))
    assert len(plans) == 2
    assert not [plan for plan in plans if "SubPlan" in plan]


def test_a_closed_database_is_unlocked_at_once(postgres_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server ends a closed session, and with it its locks, only when it comes to it."""
    with closing(Store(database_for(postgres_database))) as store:
        store.open([CHATS])
        connection = store._database._connection
        with monkeypatch.context() as patch:
            patch.setattr(connection, "close", lambda: None)
            store.close()
        with closing(Store(database_for(postgres_database))) as other:
            other.open([CHATS])
        connection.close()


@pytest.mark.parametrize(("option", "told"), [("", "30000"), ("&tcp_user_timeout=7000", "7000")])
def test_a_silent_server_is_given_up(
    postgres_database: str, monkeypatch: pytest.MonkeyPatch, option: str, told: str
) -> None:
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "7")
    with closing(Store(database_for(f"{postgres_database}{option}"))) as store:
        store.open([CHATS])
        parameters = store._database._connection.info.get_parameters()
    names = ("tcp_user_timeout", "keepalives_idle", "connect_timeout")
    assert [parameters[name] for name in names] == [told, "30", "7"]


def test_a_server_that_is_away_may_come_back(postgres_database: str) -> None:
    with closing(Store(database_for(postgres_database))) as store:
        store.open([CHATS])
        name = name_of(postgres_database)
        other = postgres_database.replace(f"/{name}?", "/postgres?")
        execute(other, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        cut_off(postgres_database, via=other)
        with pytest.raises(DatabaseBusyError, match="not currently accepting connections"):
            merge(store, row(1))
        execute(other, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        assert merge(store, row(1)) == [Outcome.INSERTED]
        with pytest.raises(MirrorError) as caught, store._database.transaction():
            store._database.execute("SELECT no_such_column")
        assert not isinstance(caught.value, DatabaseBusyError)
