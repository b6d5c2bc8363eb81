"""The resources, mixed together: one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from periskope_async.sandbox.chats import Chats
from periskope_async.sandbox.phones import Phones

if TYPE_CHECKING:
    from periskope_async.sandbox.chats import OneChat
    from periskope_async.sandbox.org import Org
    from periskope_async.sandbox.routes import Route

__all__ = ["routes_of"]


def routes_of(org: Org, *, one_chat: OneChat) -> list[Route]:
    """Give every endpoint there is."""
    return [
        *Chats(org, one_chat=one_chat).routes(),
        *Phones(org).routes(),
    ]
