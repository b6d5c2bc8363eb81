"""A Periskope to run against: real HTTP on a real socket, in process, with no account and no cost.

``async with Sandbox(chats=5_000, limit=10) as sandbox:`` and point a client at ``sandbox.base_url`` with
``sandbox.api_key``. It follows the documentation and the recorded answers, and counts requests like the npm package
express-rate-limit. It shares no code with the client, so a mistake of one can't hide in the other.
Behaviour without a source was chosen, and a comment beside the choice says so: mostly in
:mod:`periskope_async.sandbox.validation` and :mod:`periskope_async.sandbox.pages`.
"""

from periskope_async.sandbox.cast import LABELS, ORG_ID, PHONES
from periskope_async.sandbox.faults import (
    Body,
    CutAnswer,
    CutBody,
    CutUpload,
    Fault,
    HeaderChange,
    Pass,
    Redirect,
    ResetConnection,
    Slow,
    StallBody,
    Status,
)
from periskope_async.sandbox.journal import RequestRecord
from periskope_async.sandbox.org import SIZES
from periskope_async.sandbox.server import DEFAULT_KEY, Sandbox
from periskope_async.sandbox.sockets import SocketFaults, Sockets
from periskope_async.sandbox.webhooks import WebhookFaults, Webhooks, WebhookSent
from periskope_async.sandbox.world import Churn, PageAsked

__all__ = [
    "DEFAULT_KEY",
    "LABELS",
    "ORG_ID",
    "PHONES",
    "SIZES",
    "Body",
    "Churn",
    "CutAnswer",
    "CutBody",
    "CutUpload",
    "Fault",
    "HeaderChange",
    "PageAsked",
    "Pass",
    "Redirect",
    "RequestRecord",
    "ResetConnection",
    "Sandbox",
    "Slow",
    "SocketFaults",
    "Sockets",
    "StallBody",
    "Status",
    "WebhookFaults",
    "WebhookSent",
    "Webhooks",
]
