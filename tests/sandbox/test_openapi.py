"""The sandbox keeps to the published document, as schemathesis reads it, over a real socket.

The document is corrected only where another recorded or published fact contradicts it, spot by spot in
:func:`corrected`; where it says too little to fail, it is made stricter.
"""

# schemathesis leaves some of its generics open.
# pyright: reportUnknownMemberType=false, reportUntypedFunctionDecorator=false, reportUnknownVariableType=false

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import settings
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import unsupported_method

from periskope_async.sandbox import LABELS, PHONES, Body, HeaderChange, Sandbox, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemathesis import AuthContext, Case, CheckContext, Response

    from periskope_async.sandbox import Fault

DOCUMENT = Path(__file__).parent.parent / "data" / "list-all-chats.openapi.json"
KEY = "the-only-key"
CHATS = 300

PAGE_KEYS = ["chats", "from", "to", "count"]
CHAT_KEYS = ["chat_id", "chat_name", "members", "labels"]

# An Express router answers 404 to a method that it has no route for, never 405; the document speaks of neither.
NOT_OF_EXPRESS = [unsupported_method]


def error_envelope(description: str) -> dict[str, Any]:
    """Give a response the document lacks: code, message and status, as the other documents show them."""
    properties = {"code": {"type": "string"}, "message": {"type": "string"}, "status": {"type": "number"}}
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def corrected(document: dict[str, Any]) -> dict[str, Any]:
    operation = document["paths"]["/chats"]["get"]
    parameters: dict[str, dict[str, Any]] = {entry["name"]: entry["schema"] for entry in operation["parameters"]}

    # It lists 200 and 422 only. Its own text on x-phone tells of a 401, and the pages of the other endpoints, "Get
    # Chat By ID" among them, which `chat_id` answers the same way as, show 401 and 404.
    operation["responses"]["401"] = error_envelope("Invalid bearer auth token")
    operation["responses"]["404"] = error_envelope("Chat not found")

    # It calls both "number", so that -1.5 is good. Its sample of a 422 refuses a limit above 2000; places in a list
    # are counted in whole numbers from 0, and no list needs more than fifteen digits.
    parameters["limit"].update(type="integer", minimum=1, maximum=2_000)
    parameters["offset"].update(type="integer", minimum=0, maximum=10**15 - 1)

    # It calls both "string", while its examples ("2025-04-25 or 2025-04-25T00:00:00Z", and a 31 April) are two forms
    # in one text. An empty parameter is none, as everywhere in JavaScript.
    for name, example in {"start_time": "1970-01-01", "end_time": "2025-04-30T23:59:59Z"}.items():
        parameters[name]["example"] = example
        parameters[name]["anyOf"] = [{"format": "date"}, {"format": "date-time"}, {"maxLength": 0}]

    # Its examples are a template and a chat of somebody else. Any text is still good; some of it now means something.
    vip_groups = Sandbox(chats=CHATS).chat_ids(chat_type="group", label="VIP", phone=PHONES[0].org_phone)
    known = {
        "x-phone": [PHONES[0].org_phone, PHONES[1].phone_id],
        "chat_id": vip_groups,
        "chat_type": ["group", "user", "business"],
        "label": [label.name for label in LABELS],
    }
    for name, values in known.items():
        parameters[name]["anyOf"] = [{"enum": values}, {"type": "string"}]
        parameters[name]["example"] = values[0]

    # Stricter than it is: it lists headers and keys, and would be content with none of them. The header with the
    # phone belongs to answers for one phone.
    answers = {"200": [PAGE_KEYS, CHAT_KEYS], "422": [["code", "fields", "message", "name", "status"]]}
    for status, key_sets in answers.items():
        response = operation["responses"][status]
        for name, header in response["headers"].items():
            header["required"] = name != "x-periskope-phone-id"
        schema = response["content"]["application/json"]["schema"]
        schema["anyOf"] = [{"required": keys} for keys in key_sets]
    return document


SCHEMA = schemathesis.openapi.from_dict(corrected(json.loads(DOCUMENT.read_bytes())), config=schemathesis.Config())


@SCHEMA.auth()
class Key:
    """Gives the one good key, to requests that schemathesis did not mean to be without."""

    def get(self, _case: Case[Any], _context: AuthContext) -> str:
        return KEY

    def set(self, case: Case[Any], data: str, _context: AuthContext) -> None:
        case.headers["Authorization"] = f"Bearer {data}"


def answers_other_methods_as_express(_context: CheckContext, response: Response, case: Case[Any]) -> None:
    if case.method not in {"GET", "HEAD", "OPTIONS"}:
        assert response.status_code == 404
        assert f"Cannot {case.method} /v1/chats" in response.text


@pytest.fixture(scope="module", params=["chat", "list"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Serve, and check afterwards that there was something to check."""
    with Sandbox(chats=CHATS, limit=10**9, api_key=KEY, one_chat=request.param) as running:
        yield running
        seen = Counter((record.method, record.status) for record in running.requests)
        assert seen["GET", 200] >= 30, seen
        assert seen["GET", 422] >= 50, seen
        assert seen["GET", 401] >= 10, seen
        assert seen["POST", 404] >= 1, seen


@SCHEMA.parametrize()
@settings(max_examples=100, derandomize=True)
def test_no_violation_that_the_document_does_not_cause_itself(case: Case[Any], sandbox: Sandbox) -> None:
    case.call_and_validate(
        sandbox.base_url, additional_checks=[answers_other_methods_as_express], excluded_checks=NOT_OF_EXPRESS
    )


@pytest.mark.parametrize(
    "fault",
    [
        Status(500),
        Status(418),
        Body(b"<html>", content_type="text/html"),
        Body(b'{"chats":{},"from":1,"to":0,"count":0}', content_type="application/json; charset=utf-8"),
        Body(b'{"chats":[]}', content_type="application/json; charset=utf-8"),
        HeaderChange(drop=("X-RateLimit-Reset",)),
    ],
    ids=repr,
)
def test_a_violation_would_be_seen(fault: Fault) -> None:
    with Sandbox(chats=5, api_key=KEY, always=fault) as sandbox:
        case = SCHEMA["/chats"]["GET"].Case()
        with pytest.raises(FailureGroup):
            case.call_and_validate(
                sandbox.base_url, headers={"Authorization": f"Bearer {KEY}"}, excluded_checks=NOT_OF_EXPRESS
            )
