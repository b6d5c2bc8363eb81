"""The latest message of a chat, made from a handful of numbers: mostly text, sometimes another kind."""

from __future__ import annotations

from typing import Any

from periskope_async.sandbox.cast import LINES, ORG_ID
from periskope_async.sandbox.moments import made_stamp, moment_after, stamp

__all__ = ["BLANK", "made_message", "made_message_id"]

# The 53 keys in the recorded order. Most of them hold null, `has_media` and `has_quoted_msg` even beside media or a
# quote: `media` and `quoted_message_id` tell.
BLANK: dict[str, Any] = dict.fromkeys(
    [
        "ack",
        "author",
        "body",
        "broadcast",
        "broadcast_id",
        "chat_id",
        "delivery_info",
        "device_type",
        "duration",
        "flag_metadata",
        "flag_response_time",
        "flag_status",
        "forwarding_score",
        "from",
        "from_me",
        "fts",
        "has_media",
        "has_quoted_msg",
        "has_reaction",
        "id",
        "interactive",
        "invite_v4",
        "is_deleted",
        "is_ephemeral",
        "is_forwarded",
        "is_gif",
        "is_starred",
        "is_status",
        "links",
        "location",
        "media",
        "media_key",
        "mentioned_ids",
        "message_id",
        "message_ticket_id",
        "message_type",
        "order_id",
        "org_id",
        "org_phone",
        "performed_by",
        "poll_info",
        "poll_results",
        "prev_body",
        "quoted_message_id",
        "raw_data",
        "sender_phone",
        "sent_message_id",
        "timestamp",
        "to",
        "token",
        "unique_id",
        "updated_at",
        "vcards",
    ]
)
_MEDIA = {
    "image": ("image/jpeg", "photo.jpg"),
    "video": ("video/mp4", "clip.mp4"),
    "document": ("application/pdf", "चालान 4821.pdf"),
    "ptt": ("audio/ogg; codecs=opus", None),
}
_KINDS = ("chat",) * 11 + ("image", "video", "document", "ptt", "poll_creation")


def made_message_id(draw: tuple[int, ...]) -> tuple[bool, str]:
    """Tell whether a message is the organisation's own, and the hex part of its id."""
    return draw[0] % 5 == 0, f"3EB0{draw[1]:08X}{draw[2]:08X}{draw[3]:08X}{draw[4]:08X}{draw[5] >> 16:04X}"


def made_message(draw: tuple[int, ...], *, chat_id: str, org_phone: str, at: int, group: bool) -> dict[str, Any]:
    """Make a message with the 53 keys of the recorded ones, in their order. ``at`` is in Unix seconds."""
    kind = _KINDS[draw[0] % 16]
    from_me, unique_id = made_message_id(draw)
    message_id = f"{'true' if from_me else 'false'}_{chat_id}_{unique_id}"
    author = f"91{draw[6] % 10**10:010d}@c.us" if group and not from_me else None
    sender = org_phone if from_me else author or chat_id
    body = LINES[draw[8] % len(LINES)] if kind != "ptt" else ""
    quoted = f"false_{chat_id}_3A{draw[9]:08X}{draw[10]:08X}" if draw[9] % 8 == 0 else None
    delivery: dict[str, Any] = {"delivered_count": 0, "pending": [], "read_count": 0}
    if from_me:
        reader = chat_id if not group else f"91{draw[11] % 10**10:010d}@c.us"
        delivery = {
            "delivered": {reader: moment_after(at, 4) * 1000},
            "delivered_count": 1,
            "pending": [],
            "read": {reader: moment_after(at, 38) * 1000},
            "read_count": 1,
        }
    return {
        **BLANK,
        "ack": str(1 + draw[11] % 4) if from_me else "0",
        "author": author,
        "body": body,
        "broadcast": False if draw[12] % 3 == 0 else None,
        "chat_id": chat_id,
        "delivery_info": delivery,
        "forwarding_score": 1 if draw[12] % 16 == 0 else None,
        "from": sender if draw[12] % 4 == 0 else None,
        "from_me": from_me,
        "fts": f"'{kind}':1",
        "id": {"from_me": from_me, "id": unique_id, "remote": chat_id, "serialized": message_id},
        "is_deleted": True if draw[13] % 40 == 0 else None,
        "media": _media(kind, draw),
        "mentioned_ids": [org_phone] if group and draw[13] % 12 == 0 else [],
        "message_id": message_id,
        "message_type": kind,
        "org_id": ORG_ID,
        "org_phone": org_phone,
        "poll_info": _poll(kind),
        "poll_results": {"Yes": {}, "Нет": {}} if kind == "poll_creation" else None,
        "quoted_message_id": quoted,
        "sender_phone": sender,
        "sent_message_id": f"{draw[14]:08x}-9e18-4cf6-b169-{draw[15]:08x}50b2" if from_me else None,
        "timestamp": stamp(at),
        "unique_id": unique_id,
        "updated_at": made_stamp(moment_after(at, draw[7] % 4_000), draw[7] % 1_000 * 1_000),
    }


def _media(kind: str, draw: tuple[int, ...]) -> dict[str, Any] | None:
    if kind not in _MEDIA:
        return None
    mimetype, filename = _MEDIA[kind]
    media: dict[str, Any] = {
        "filename": filename,
        "mimetype": mimetype,
        "path": f"https://storage.googleapis.com/periskope-attachments/{ORG_ID}/{draw[14]:08x}",
        "size": 1_000 + draw[15] % 4_000_000,
    }
    if kind in {"image", "video"}:
        media["dimensions"] = {"ar": 0.5625, "height": 1280, "width": 720}
    return dict(sorted(media.items()))


def _poll(kind: str) -> dict[str, Any] | None:
    if kind != "poll_creation":
        return None
    options = ["Yes", "Нет", "शायद"]
    return {"options": [], "pollName": "Friday?", "pollOptions": [{"name": name} for name in options]}
