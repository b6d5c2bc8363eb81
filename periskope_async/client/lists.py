"""Every paged list of the API, an entry each."""

from __future__ import annotations

from periskope_async.models.chat import Chat
from periskope_async.wire.listing import Listing, Sort

__all__ = ["CHATS"]

# https://docs.periskope.app/api-reference/chat/list-all-chats. No document says whether a chat on two phones is one row
# or two. By latest message a chat may move anywhere: a message may come late, and the latest one be deleted.
CHATS = Listing(
    path="/chats",
    key="chats",
    row=Chat,
    identity=("chat_id", "org_phone"),
    sorts=(
        Sort(name="created_at", times=("created_at",)),
        Sort(
            name="latest_message_timestamp",
            times=("latest_message_timestamp", "latest_message.timestamp"),
            can_move_anywhere=True,
        ),
    ),
    order_param="sort_order",
    single_param="chat_id",
    says_updated_at=True,
)
