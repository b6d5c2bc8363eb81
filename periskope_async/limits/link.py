"""The way to Redis or Valkey: one script a trip, in a bounded time, and one error for every fault."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any, cast

from periskope_async.errors import ConfigError
from periskope_async.limits.scripts import KEYS, RESERVE, SETTLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis
    from redis.commands.core import AsyncScript

    from periskope_async.secret import Secret

__all__ = ["RedisLink", "RedisLost"]

# Nobody waits longer than half a second for Redis. A first trip goes to and fro up to eight times (TCP, TLS, the
# password, the library's name, and asking for the script, loading it and running it), so 50 ms a time fit in.
_SECONDS_WAITED_FOR = 0.45
# The bound if nobody waits: to tell the news, or to return to Redis.
_SECONDS_ASIDE = 2.0
# One trip reserves while another one settles.
_CONNECTIONS = 2
_HASH_CHARACTERS = 32
# The time of a trip is counted in parts: a long hold of the loop takes one of them, and not all.
_LOOKS = 10


def _tls(url: str) -> dict[str, bool]:
    """Have redis-py 5 check the certificate's host, as later versions do. The URL's own setting goes before."""
    return {"ssl_check_hostname": True} if url.startswith("rediss:") and "ssl_cert_reqs=" not in url else {}


def _pool(url: Secret) -> Any:
    """Make the connections; give the kind of the error if the URL cannot be used."""
    from redis.asyncio import BlockingConnectionPool  # noqa: PLC0415 - an extra
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.exceptions import ConnectionError as RedisConnectionError, RedisError  # noqa: PLC0415

    try:
        # redis-py leaves the types of its arguments here half open.
        pool = cast("Any", BlockingConnectionPool).from_url(
            url.reveal(),
            max_connections=_CONNECTIONS,
            timeout=None,
            protocol=2,
            socket_timeout=None,
            socket_connect_timeout=_SECONDS_ASIDE,
            retry=Retry(NoBackoff(), 1, (RedisConnectionError,)),
            # redis-py 5 asks here too.
            retry_on_error=[RedisConnectionError],
            **_tls(url.reveal()),
        )
        # The options are looked at only where a connection is made. This one opens no socket.
        pool.connection_class(**pool.connection_kwargs)
    except (ValueError, TypeError, AttributeError, RedisError) as error:
        return type(error).__name__
    return pool


class RedisLost(Exception):  # noqa: N818 - a state of affairs, and seen by no user
    """Redis did not answer, or refused. Its words are the text."""


class RedisLink:
    """The scripts of one budget.

    redis-py's own ways are chosen with care. A timed-out command may run all the same, so it is not sent again. A
    closed connection is opened again once: a restart of Redis needs it. The time-out stands around the command, since
    the socket's own swallows cancels on Python 3.11. There is no PING: a user may be without it.
    """

    def __init__(self, url: Secret, *, prefix: str) -> None:
        try:
            from redis.asyncio import Redis  # noqa: PLC0415 - an extra
        except ImportError:
            raise ConfigError(
                "a SharedLimiter needs redis-py; install it with: pip install 'periskope-async[redis]'",
                parameter="limiter",
            ) from None
        # Raised out here, the error has no context: redis-py's texts and frames hold the URL, and the password in it.
        pool = _pool(url)
        if isinstance(pool, str):
            raise ConfigError(
                f"the URL of Redis cannot be used ({pool}); give redis://, rediss:// or unix://, as in "
                "rediss://user:password@host:6379/0, with what is special in the password percent-encoded, and only "
                "options that redis-py knows for it",
                parameter="limiter",
            )
        self._redis: Redis = Redis(connection_pool=pool)
        self._prefix = prefix
        self._keys: list[str] = []
        self._reserve = self._script(RESERVE)
        self._settle = self._script(SETTLE)

    def use_key(self, api_key: Secret) -> None:
        """Name the budget after an API key, by its hash. Raises ConfigError for a second key."""
        hashed = hashlib.sha256(b"periskope-async " + api_key.reveal().encode()).hexdigest()[:_HASH_CHARACTERS]
        # A cluster looks at the text in braces only, so the keys of a budget lie together.
        keys = [f"{self._prefix}:{{{hashed}}}:{name}" for name in KEYS]
        if self._keys not in ([], keys):
            raise ConfigError("a SharedLimiter serves one API key; make another one for this key", parameter="limiter")
        self._keys = keys

    @property
    def has_key(self) -> bool:
        """Whether it was told whose budget it is."""
        return bool(self._keys)

    async def reserve(self, arguments: Sequence[str | float], *, is_waited_for: bool = True) -> list[int]:
        """Run the reserving script. Raises RedisLost."""
        return await self._run(self._reserve, arguments, _SECONDS_WAITED_FOR if is_waited_for else _SECONDS_ASIDE)

    async def settle(self, arguments: Sequence[str | float]) -> list[int]:
        """Run the settling script. Raises RedisLost."""
        return await self._run(self._settle, arguments, _SECONDS_ASIDE)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.connection_pool.disconnect()

    def _script(self, text: str) -> AsyncScript:
        return self._redis.register_script(text)

    async def _run(self, script: AsyncScript, arguments: Sequence[str | float], seconds: float) -> list[int]:
        trip = asyncio.ensure_future(cast("Any", script)(keys=self._keys, args=arguments))
        try:
            for _ in range(_LOOKS):
                if not trip.done():
                    await asyncio.wait({trip}, timeout=seconds / _LOOKS)
            if trip.done():
                return cast("list[int]", trip.result())
            said = f"no answer within {seconds:g} s"
        except Exception as error:  # noqa: BLE001 - whatever it is, this process goes on without Redis
            said = f"{type(error).__name__}: {error}"
            if said.startswith("MovedError"):
                said = f"it is a cluster of several nodes, and a SharedLimiter needs one server; {said}"
        finally:
            trip.cancel()
            await asyncio.wait({trip})
            # An error of the cancel would be logged as never retrieved otherwise.
            _ = trip.cancelled() or trip.exception()
        # A demoted server goes on to refuse on the same connection.
        await self.close()
        raise RedisLost(said)
