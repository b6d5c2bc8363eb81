"""Chats, messages, contacts and tickets in a database of your own, kept true by walks and events."""

from periskope_async.mirror.merge import Outcome
from periskope_async.mirror.runner import ListResult, Mirror, MirrorEvent, SyncResult

__all__ = ["ListResult", "Mirror", "MirrorEvent", "Outcome", "SyncResult"]
