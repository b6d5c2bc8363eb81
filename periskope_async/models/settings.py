"""The AI agent's rights in a chat (https://docs.periskope.app/api-reference/chat/update-chat-ai-settings)."""

from periskope_async.models.part import Part
from periskope_async.models.unset import UNSET, Maybe

__all__ = ["ChatAiSettings"]


class ChatAiSettings(Part, frozen=True, kw_only=True):
    """The AI agent's rights in a chat."""

    chat_id: str
    is_agent_allowed: Maybe[bool] = UNSET
    is_flagging_allowed: Maybe[bool] = UNSET
