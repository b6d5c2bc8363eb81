"""The content of a message, checked and written: a text, a file, or a poll."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from periskope_async.errors import ConfigError
from periskope_async.media import Media
from periskope_async.wire import inputs

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Poll", "written_content"]

_LEAST_OPTIONS = 2
_LARGE = 1 << 20


class Poll(Struct, frozen=True):
    """A question with options to choose from: ``Poll("When?", ["Monday", "Tuesday"])``."""

    question: str
    options: list[str]
    is_multiple: bool = False
    """Whether more than one may be chosen."""
    poll_id: str | None = None
    """An id of your own, for a poll that goes to several chats."""

    def to_wire(self) -> dict[str, Any]:
        """Give the ``poll`` of a body. Raises ConfigError."""
        options = inputs.texts("options", self.options, least=_LEAST_OPTIONS)
        if len(set(options)) < len(options):
            raise ConfigError("options holds one text twice", parameter="options")
        chosen: dict[str, Any] = {"allowMultipleAnswers": inputs.flag("is_multiple", self.is_multiple)}
        if self.poll_id is not None:
            chosen["pollId"] = inputs.text("poll_id", self.poll_id)
        return {"pollName": inputs.text("question", self.question), "pollOptions": options, "options": chosen}


async def written_content(
    rest: Mapping[str, Any],
    *,
    message: str | None,
    media: Media | None = None,
    poll: Poll | None = None,
    reply_to: str | None = None,
    may_be_empty: bool = False,
) -> bytes:
    """Write a body: its content and the rest. Raises ConfigError if there is no content.

    The text is the caption of a file. A thread writes large bodies.
    """
    if message is None and media is None and poll is None and not may_be_empty:
        raise ConfigError("there is nothing to send; give message or media", parameter="message")
    if media is not None:
        inputs.instance("media", media, Media, "make one with Media.from_path(…)")
    if poll is not None:
        inputs.instance("poll", poll, Poll, 'make one with Poll("When?", ["Monday", "Tuesday"])')
    if poll is not None and media is not None:
        raise ConfigError("a message holds a poll or a file, not both", parameter="poll")
    values = {
        **rest,
        "message": None if message is None else inputs.text("message", message),
        "poll": None if poll is None else poll.to_wire(),
        "reply_to": None if reply_to is None else inputs.path_id("reply_to", reply_to),
        "media": None if media is None else await media.to_wire(),
    }
    if media is not None and (media.size or 0) > _LARGE:
        return await asyncio.to_thread(inputs.json_body, values)
    return inputs.json_body(values)
