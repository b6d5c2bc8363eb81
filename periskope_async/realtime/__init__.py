"""Live events over a websocket: a receiver for Socket.IO 5 on Engine.IO 4. It reports every loss."""

from periskope_async.live_event import EVENT_NAMES, EventName, LiveEvent
from periskope_async.realtime.feed import OnOverflow, OnRefusal
from periskope_async.realtime.items import Gap, GapReason
from periskope_async.realtime.stream import EventStream

__all__ = ["EVENT_NAMES", "EventName", "EventStream", "Gap", "GapReason", "LiveEvent", "OnOverflow", "OnRefusal"]
