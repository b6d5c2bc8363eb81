"""Every endpoint keeps to the OpenAPI text that is made from its route, as schemathesis reads it, over a real socket.

The text is ours, from the facts that are known of each endpoint: what this proves is that the sandbox takes what it
says it takes, refuses the rest in the documented envelopes, and gives exactly the documented fields.
"""

# schemathesis leaves some of its generics open.
# pyright: reportUnknownMemberType=false, reportUntypedFunctionDecorator=false, reportUnknownVariableType=false

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    unsupported_method,
)

from periskope_async.sandbox import PHONES, Sandbox
from periskope_async.sandbox.cast import PROPERTIES
from periskope_async.sandbox.faults import Body, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemathesis import AuthContext, Case

    from periskope_async.sandbox.faults import Fault


KEY = "the-only-key"
PHONE = PHONES[0].org_phone.removesuffix("@c.us")
# With more than one, schemathesis goes through the borders of each parameter too, which takes minutes.
EXAMPLES = int(os.environ.get("PERISKOPE_OPENAPI_EXAMPLES", "1"))
SETTINGS: dict[str, Any] = {"chats": 60, "limit": 10**9, "api_key": KEY, "oddities": False, "pace": 0.01}


def document() -> dict[str, Any]:
    """Give the text, with values that exist in place of some of the parameters that any text would do for."""
    sandbox = Sandbox(**SETTINGS)
    text = sandbox.openapi
    chat = sandbox.chat_ids(phone=PHONE, chat_type="group")[0]
    known = {
        "chat_id": chat,
        "message_id": sandbox.ids("messages", phone=PHONES[0].org_phone)[0],
        "unique_id": next(i for i in sandbox.ids("messages") if i.startswith("true_")).rpartition("_")[2],
        "contact_id": sandbox.ids("contacts")[0].removesuffix("@c.us"),
        "ticket_id": sandbox.ids("tickets")[0],
        "task_id": sandbox.ids("tasks")[0],
        "note_id": sandbox.ids("notes")[0],
        "scheduled_id": sandbox.ids("scheduled_messages")[0],
        "context_id": sandbox.ids("knowledge_base", tag="faq")[0],
        "property_id": PROPERTIES[0][0],
        "x-phone": PHONE,
    }
    for operations in text["paths"].values():
        for operation in operations.values():
            for parameter in operation["parameters"]:
                # Any text will do for a filter: it finds nothing.
                if (value := known.get(parameter["name"])) and (parameter["in"] != "query" or parameter["required"]):
                    # An empty header is no header, as the sandbox says.
                    empty = [] if parameter["required"] else [""]
                    parameter["schema"] = {**parameter["schema"], "enum": [value, *empty]}
                    parameter["example"] = value
    # A queue that grows all the time would make it wait.
    sync = text["paths"]["/message/send-sync"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    sync["properties"]["sync_timeout"], sync["required"] = {"enum": [0.01]}, ["chat_id", "sync_timeout"]
    return text


SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much]
CONFIG = {"phases": {"coverage": {"enabled": EXAMPLES > 1, "unexpected-methods": []}}}
SCHEMA = schemathesis.openapi.from_dict(document(), config=schemathesis.Config.from_dict(CONFIG))
# An Express router answers 404 to a method that it has no route for, never 405, and says to OPTIONS what all routes
# take that the path would do for: those of /chats/{chat_id} also for /chats/labels.
NOT_OF_EXPRESS = [unsupported_method, allow_header_conformance]
# What is no matter of form: a message of long ago cannot be edited, one that is over cannot be scheduled or changed,
# a contact that is there cannot be made again, and the kind and the type of a property say what else it may have.
TIED_TO_STATE = [
    "/message/{message_id}/edit",
    "/message/scheduled",
    "/message/scheduled/{scheduled_id}",
    "/contacts/create",
    "/properties/create",
    "/properties/{property_id}",
]


@SCHEMA.auth()
class Key:
    """Gives the one good key, to requests that schemathesis did not mean to be without."""

    def get(self, _case: Case[Any], _context: AuthContext) -> str:
        return KEY

    def set(self, case: Case[Any], data: str, _context: AuthContext) -> None:
        case.headers["Authorization"] = f"Bearer {data}"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(**SETTINGS) as running:
        yield running
        seen = Counter(record.status for record in running.requests)
        assert 500 not in seen, seen
        # Each of the processes that share the tests sees a part of the requests, large or small.
        assert seen[200] + seen[204] >= seen.total() // (10 * EXAMPLES), seen


@SCHEMA.parametrize()
@settings(max_examples=2 * EXAMPLES, derandomize=True, deadline=None, suppress_health_check=SLOW)
def test_every_endpoint_keeps_to_the_text(case: Case[Any], sandbox: Sandbox) -> None:
    excluded = [*NOT_OF_EXPRESS]
    if case.path in TIED_TO_STATE:
        excluded.append(positive_data_acceptance)
    if case.path == "/message/send-sync":  # The text asks for a timeout here; the sandbox does not.
        excluded.append(negative_data_rejection)
    case.call_and_validate(sandbox.base_url, excluded_checks=excluded)


@pytest.mark.parametrize(
    "fault", [Status(500), Status(201), Body(b'{"count":1}', content_type="application/json")], ids=repr
)
def test_a_violation_would_be_seen(fault: Fault) -> None:
    with Sandbox(**SETTINGS, always=fault) as sandbox:
        case = SCHEMA["/contacts"]["GET"].Case()
        with pytest.raises(FailureGroup):
            case.call_and_validate(sandbox.base_url, headers={"Authorization": f"Bearer {KEY}"})
