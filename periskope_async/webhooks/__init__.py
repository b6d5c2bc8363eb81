"""Webhooks: prove their origin at Periskope, read them, and serve their address.

:func:`verify` and :func:`parse` fit every framework. :class:`Receiver` does it all for ASGI (FastAPI, Starlette) and
aiohttp.web.
"""

from periskope_async.live_event import EVENT_NAMES, EventName, LiveEvent
from periskope_async.webhooks.parse import parse
from periskope_async.webhooks.receiver import Receiver
from periskope_async.webhooks.seen import Recent, SeenStore
from periskope_async.webhooks.verify import SIGNATURE_HEADER, SigningKeys, Verified, verify

__all__ = [
    "EVENT_NAMES",
    "SIGNATURE_HEADER",
    "EventName",
    "LiveEvent",
    "Receiver",
    "Recent",
    "SeenStore",
    "SigningKeys",
    "Verified",
    "parse",
    "verify",
]
