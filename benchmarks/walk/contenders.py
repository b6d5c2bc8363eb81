"""Ways to list every chat. All send through the same client, so that they differ in the walk alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

from periskope_async import PaginationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.walk.scenarios import Scenario
    from periskope_async import ChatPage, PeriskopeClient
    from periskope_async.paging.report import WalkReport

__all__ = ["CONTENDERS", "DEDUPE", "GATHER", "OURS", "PLAIN", "Job", "Told"]

OURS = "iter_chats"
PLAIN = "a plain loop"
DEDUPE = "a loop that drops doubles"
GATHER = "gather over count"

Told: TypeAlias = "tuple[WalkReport | None, str]"
"""The walk's own report where there is one, and why it failed where it did."""
Job: TypeAlias = "Callable[[PeriskopeClient, Scenario, list[str]], Awaitable[Told]]"
"""Appends the id of each row that it is given to the list."""


def _page(client: PeriskopeClient, scenario: Scenario, offset: int) -> Awaitable[ChatPage]:
    return client.list_chats(
        offset=offset, limit=scenario.page_size, sort_by=scenario.sort_by, sort_order=scenario.sort_order
    )


async def _ours(client: PeriskopeClient, scenario: Scenario, ids: list[str]) -> Told:
    pager = client.iter_chats(page_size=scenario.page_size, sort_by=scenario.sort_by, sort_order=scenario.sort_order)
    try:
        async for chat in pager:
            ids.append(chat.chat_id)  # noqa: PERF401 - what was given before a failure counts, too
    except PaginationError as error:
        return pager.report, str(error)
    return pager.report, ""


async def _plain(client: PeriskopeClient, scenario: Scenario, ids: list[str]) -> Told:
    offset = 0
    while True:
        page = await _page(client, scenario, offset)
        ids += [chat.chat_id for chat in page.chats]
        if len(page.chats) < scenario.page_size:
            return None, ""
        offset += scenario.page_size


async def _dedupe(client: PeriskopeClient, scenario: Scenario, ids: list[str]) -> Told:
    seen: set[str] = set()
    offset = 0
    while True:
        page = await _page(client, scenario, offset)
        for chat in page.chats:
            if chat.chat_id not in seen:
                seen.add(chat.chat_id)
                ids.append(chat.chat_id)
        if len(page.chats) < scenario.page_size:
            return None, ""
        offset += scenario.page_size


async def _gather(client: PeriskopeClient, scenario: Scenario, ids: list[str]) -> Told:
    first = await _page(client, scenario, 0)
    offsets = range(scenario.page_size, first.count or 0, scenario.page_size)
    others = await asyncio.gather(*(_page(client, scenario, offset) for offset in offsets))
    ids += [chat.chat_id for page in (first, *others) for chat in page.chats]
    return None, ""


CONTENDERS: dict[str, Job] = {OURS: _ours, PLAIN: _plain, DEDUPE: _dedupe, GATHER: _gather}
