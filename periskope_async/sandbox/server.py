"""The sandbox itself: a Periskope on a real socket, for tests, benchmarks and first steps without an account."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

from periskope_async.sandbox.api import Api
from periskope_async.sandbox.cast import PHONES, phone_of
from periskope_async.sandbox.delivery import settle_headers
from periskope_async.sandbox.faults import Script
from periskope_async.sandbox.hosting import ThreadHost
from periskope_async.sandbox.journal import Journal
from periskope_async.sandbox.limiter import limiter_of
from periskope_async.sandbox.openapi import openapi_of
from periskope_async.sandbox.org import Org
from periskope_async.sandbox.service import Service, Timing
from periskope_async.sandbox.shelf import Wanted
from periskope_async.sandbox.sockets import Sockets
from periskope_async.sandbox.validation import list_query
from periskope_async.sandbox.webhooks import Webhooks
from periskope_async.sandbox.world import Churn, PageAsked, World

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from periskope_async.sandbox.chats import OneChat
    from periskope_async.sandbox.faults import Fault
    from periskope_async.sandbox.journal import RequestRecord
    from periskope_async.sandbox.limiter import Kind
    from periskope_async.sandbox.pages import Count, Ties
    from periskope_async.sandbox.roster import Nulls

__all__ = ["DEFAULT_KEY", "Sandbox"]

DEFAULT_KEY = "sandbox-key"
_SIGNING_KEY = "peri_6f1c2f4e-sandbox"

# The server's limit is not documented; WhatsApp's documents may have 100 MB, and base64 adds a third.
_MAX_BODY = 140_000_000


class Sandbox:
    """A Periskope to run against.

    ``async with`` serves on the running event loop; a plain ``with`` serves from a thread with a loop of its own, for
    tests without async. All methods but :meth:`start` and :meth:`close` may be called from any thread.

    - ``chats``, ``seed``: the number of chats, made from the seed; a million cost no memory.
    - ``limit`` requests pass in ``window`` seconds. ``kind`` is the counting: like the server ("fixed"), by a log of
      the last window ("sliding"), or from a refilling bucket ("bucket"). Each API key has its own count.
    - ``latency``: seconds before an answer, or a (min, max) pair to draw from.
    - ``api_key``: the only accepted key; with None any is, and :attr:`api_key` offers one.
    - ``keep_alive``: seconds until an idle connection is closed. ``clock_skew``: seconds by which the server's clock is
      ahead. ``compress``: whether answers are compressed for clients that accept it.
    - ``max_limit``: the largest page. ``one_chat``: the answer to ``?chat_id=``, the bare "chat" or a "list" of one.
      ``count``: whether a page's count is the "total" or that of the "page". ``ties="shuffled"`` gives chats of equal
      sort key in another order for each request. ``nulls``: the place of chats without a message in descending order.
    - ``sizes``: the number of rows of other lists, as ``{"messages": 10_000, "contacts": 50}``; see ``SIZES``.
    - ``pace``: seconds between two messages of a phone, and the unit of the steps after: a message is accepted one pace
      after it was sent (ack 2), delivered to all after two (3), read by all after five (4).
    - ``oddities``: whether some rows of lists other than chats differ from the documentation, as other sources show or
      leave open: words foreign to every list, null, absent keys, undocumented keys.
    - ``churn``: the moves before each page is cut. ``before_page`` and ``after_page`` are called with a
      :class:`PageAsked` around that cut, and may move the list by :meth:`wake`, :meth:`insert` and :meth:`remove`.
    - :attr:`webhooks` sends events, signed with :attr:`signing_key`, and :attr:`sockets` serves them live.
      :meth:`wake`, :meth:`insert` and :meth:`emit` make some.
    - ``faults``: the faults of the first requests, one each; ``always``: the fault of every other one.
    """

    def __init__(
        self,
        *,
        chats: int = 5_000,
        limit: int = 10,
        window: float = 1.0,
        kind: Kind = "fixed",
        latency: float | tuple[float, float] = 0.0,
        seed: int = 1,
        api_key: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        keep_alive: float = 5.0,
        clock_skew: float = 0.0,
        compress: bool = False,
        max_limit: int = 2_000,
        one_chat: OneChat = "chat",
        count: Count = "total",
        ties: Ties = "stable",
        nulls: Nulls = "first",
        sizes: Mapping[str, int] | None = None,
        pace: float = 0.1,
        oddities: bool = True,
        churn: Churn | None = None,
        before_page: Callable[[PageAsked], object] | None = None,
        after_page: Callable[[PageAsked], object] | None = None,
        faults: Sequence[Fault] = (),
        always: Fault | None = None,
    ) -> None:
        if chats < 0 or limit < 1 or window <= 0 or keep_alive <= 0 or max_limit < 1:
            raise ValueError("a sandbox needs chats >= 0, limit >= 1, window > 0, keep_alive > 0 and max_limit >= 1")
        if not 0 <= port <= 65535:  # noqa: PLR2004 - TCP's own
            raise ValueError(f"port is {port}; it must be from 0 to 65535, and 0 takes a free one")
        self.api_key = api_key or DEFAULT_KEY
        self._host, self._port = host, port
        # Wall clock now, driven on by the monotonic one: setting the clock back must not stretch a window.
        base = time.time() - time.monotonic() + clock_skew
        self._timing = Timing(
            now=lambda: base + time.monotonic(),
            window=window,
            keep_alive=keep_alive,
            latency=latency if isinstance(latency, tuple) else (latency, latency),
            latency_rng=Random(f"{seed} latency"),
        )
        world = World(
            seed=seed,
            chats=chats,
            churn=churn or Churn(),
            count=count,
            ties=ties,
            nulls=nulls,
            clock=self._timing.now,
            before_page=before_page,
            after_page=after_page,
        )
        self._org = Org(
            world,
            seed=seed,
            sizes=sizes or {},
            pace=pace,
            oddities=oddities,
            count=count,
            max_limit=max_limit,
        )
        self._api = Api(self._org, api_key=api_key, one_chat=one_chat)
        self.signing_key = _SIGNING_KEY
        self.webhooks = Webhooks(
            signing_key=self.signing_key,
            now=self._timing.now,
            rng=Random(f"{seed} webhooks"),
            listen=world.listen,
        )
        self._api.resources.webhooks.on_change = self.webhooks.follow
        self.sockets = Sockets(api_key=api_key, now=self._timing.now, listen=world.listen)
        self._limiter = limiter_of(kind, limit, round(window * 1000))
        self._script = Script(*faults, always=always)
        self._journal = Journal()
        self._compress = compress
        self._runner: web.AppRunner | None = None
        self._service: Service | None = None
        self._thread: ThreadHost | None = None

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:PORT/v1``. Raises :class:`RuntimeError` while the sandbox is not running."""
        if self._runner is None:
            raise RuntimeError("the sandbox is not running: use it in `async with Sandbox(...) as sandbox:`")
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._runner.addresses[0][1]}/v1"

    @property
    def requests(self) -> list[RequestRecord]:
        """The requests so far, in order of arrival."""
        return self._journal.records()

    @property
    def refusals(self) -> int:
        """How many requests so far were answered 429."""
        return sum(record.status == 429 for record in self.requests)  # noqa: PLR2004 - the status is its own name

    def clear(self) -> None:
        """Forget the requests so far, and the remaining faults."""
        self._journal.clear()
        self._script.clear()

    def script(self, *faults: Fault, path: str | None = None) -> None:
        """Give these faults to the next requests, one each, after those scripted before.

        A ``path`` like ``/v1/chats`` or ``/v1/chats/*`` keeps them for requests to it.
        """
        self._script.add(*faults, path=path)

    def wake(self, chat: int | str | None = None) -> str:
        """Give a chat a new message now: it goes to the front of the latest-message order. Returns its id.

        A chat is named by its id, or by its place in the ``created_at`` order of the start, newest first; None draws
        one. Raises :class:`KeyError` for an unknown one.
        """
        return self._org.world.wake(chat)

    def insert(self) -> str:
        """Add a chat, created now, with a first message: it is newest in both orders. Returns its id."""
        return self._org.world.insert()

    def emit(self, name: str, said: dict[str, Any]) -> None:
        """Tell webhooks and sockets of an event, such as ``emit("ticket.created", {...})``."""
        self._org.world.emit(name, said)

    def remove(self, chat: int | str | None = None) -> str:
        """Take a chat, named as for :meth:`wake`, out of the list. Returns its id."""
        return self._org.world.remove(chat)

    def chat_ids(self, *, phone: str | None = None, **parameters: str) -> list[str]:
        """Give the ids of all present chats in order: the truth to compare a walk with.

        ``parameters`` are those of the endpoint: ``sort_by``, ``sort_order``, ``chat_type``, ``label``,
        ``start_time``, ``end_time``. ``ties="shuffled"`` gives another order among ties at each call.
        """
        known = None if phone is None else phone_of(phone)
        if phone is not None and known is None:
            raise ValueError(f"phone={phone!r} is none of the sandbox's PHONES")
        number = None if known is None else PHONES.index(known)
        return self._org.world.chat_ids(
            list_query({name: [text] for name, text in parameters.items()}, phone=number, max_limit=1)
        )

    def add(self, name: str) -> str:
        """Put a new made-up row at the front of a list other than chats: ``"messages"``. Returns its id."""
        with self._org.world.lock:
            return self._org.shelf(name).grow().key

    def drop(self, name: str, key: str) -> None:
        """Take a row, by its id, out of a list other than chats. Raises :class:`KeyError` for an unknown one."""
        with self._org.world.lock:
            shelf = self._org.shelf(name)
            entry = shelf.find(key)
            if entry is None:
                raise KeyError(f"{name} has no row {key!r} now")
            shelf.remove(entry)

    def ids(
        self, name: str, *, chat_id: str | None = None, phone: str | None = None, tag: str | None = None
    ) -> list[str]:
        """Give the ids of all present rows of a list other than chats, newest first.

        ``chat_id`` or ``phone`` (``digits@c.us``) keeps only its rows; ``tag`` is the message of reactions, the
        scheduled message of occurrences, and the type of items of the knowledge base.
        """
        with self._org.world.lock:
            return [entry.key for entry in self._org.shelf(name).entries(Wanted(chat_id, phone, tag))]

    def scan_qr(self, phone: str) -> None:
        """Let somebody scan the QR code of a phone, by its id or number: it is connected again.

        A phone made by ``POST /phones/create`` gets its number by this. Raises :class:`ValueError` for an unknown one.
        """
        with self._org.world.lock:
            number = self._org.phone_number(phone)
            if number is None:
                raise ValueError(f"phone={phone!r} is none of the sandbox's phones")
            self._api.resources.phones.scan(number, f"4915{number:08d}@c.us")

    def listen(self, listener: Callable[[str, dict[str, Any]], object]) -> None:
        """Have ``listener(event_name, object)`` called for each event of webhooks and sockets.

        It is called in the thread of the event, while the world is locked for others. It must not change the object.
        """
        self._org.world.listen(listener)

    @property
    def openapi(self) -> dict[str, Any]:
        """The OpenAPI 3.1 text of all endpoints, made from the sandbox's own table of routes."""
        return openapi_of(self._api.router.routes)

    @property
    def before_page(self) -> Callable[[PageAsked], object] | None:
        """The hook called before each page is cut, while the list is locked for other threads."""
        return self._org.world.before_page

    @before_page.setter
    def before_page(self, hook: Callable[[PageAsked], object] | None) -> None:
        self._org.world.before_page = hook

    @property
    def after_page(self) -> Callable[[PageAsked], object] | None:
        """The hook called after each page was cut."""
        return self._org.world.after_page

    @after_page.setter
    def after_page(self, hook: Callable[[PageAsked], object] | None) -> None:
        self._org.world.after_page = hook

    async def start(self) -> None:
        """Listen. Raises :class:`OSError` if the port is taken."""
        if self._runner is not None:
            raise RuntimeError("the sandbox is running already")
        service = Service(
            api=self._api,
            limiter=self._limiter,
            script=self._script,
            journal=self._journal,
            timing=self._timing,
            compress=self._compress,
        )
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_get("/socket.io/", self.sockets.handle)
        app.router.add_route("*", r"/{path:(?s:.*)}", service.handle)
        app.on_response_prepare.append(settle_headers)
        runner = web.AppRunner(app, access_log=None, keepalive_timeout=self._timing.keep_alive, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except BaseException:
            await runner.cleanup()
            raise
        self._runner, self._service = runner, service
        self.webhooks.start()

    async def close(self) -> None:
        """Stop at once: answers under way are dropped, connections closed. May be repeated, also after a cancel."""
        runner = self._runner
        if runner is None or self._service is None:
            return
        try:
            # A connection accepted in this same pass of the loop has no transport yet; asyncio would lose it with its
            # listener. Timers run after sockets in a pass, so it has one after this sleep.
            await asyncio.sleep(0.001)
        finally:
            self._service.close()
            self.sockets.close()
            await self.webhooks.close()
            await runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __enter__(self) -> Self:
        self._thread = ThreadHost(self.start, self.close)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.stop()
