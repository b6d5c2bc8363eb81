"""What succeeded in part stays known where one entry is odd, and no failure passes for a success."""

from __future__ import annotations

import json
from typing import Any

import pytest

from periskope_async.decoding.objects import one_of, read_participants
from periskope_async.decoding.repair import Unreadable
from periskope_async.errors import PartialFailure
from periskope_async.meta import ResponseMeta
from periskope_async.models import MemberInvitations, ParticipantResults
from tests.reading import at_once

META = ResponseMeta(status=200)
GOOD, ODD = "14155550101@c.us", "14155550102@c.us"


def participants(answer: object) -> ParticipantResults:
    return at_once(read_participants(json.dumps(answer).encode(), META))


def invitations(answer: object) -> MemberInvitations:
    return at_once(one_of(MemberInvitations)(json.dumps(answer).encode(), META))


@pytest.mark.parametrize("odd", ["not on WhatsApp", None, False, True, 403, ["no"]])
def test_an_entry_that_is_no_object_has_failed(odd: Any) -> None:
    found = participants({GOOD: {"is_success": True}, ODD: odd})
    assert found.results[GOOD].is_success
    assert list(found.failed) == [ODD]
    assert found.failed[ODD].undecoded == {ODD: odd}
    why = odd if isinstance(odd, str) else "no reason given"
    with pytest.raises(PartialFailure, match=f"1 of 2 failed: {ODD}: {why}"):
        found.raise_for_failures()


def test_a_map_in_data() -> None:
    found = participants({"success": True, "message": "Done", "data": {GOOD: {"is_success": True}}})
    assert list(found.results) == [GOOD]
    assert not found.failed


@pytest.mark.parametrize("answer", [{}, {"data": {}}, {"success": True, "message": "Done"}, []])
def test_an_answer_that_names_no_participant_is_none(answer: object) -> None:
    with pytest.raises(Unreadable):
        participants(answer)


@pytest.mark.parametrize(
    "errors",
    [
        [{"email": "a@example.com", "error": {"message": "is a member"}}],
        [{"email": "a@example.com", "error": "is a member"}],
        ["a@example.com: is a member"],
        {"a@example.com": "is a member"},
        "a@example.com is a member",
    ],
)
def test_a_failed_invitation_is_told_in_every_form(errors: object) -> None:
    found = invitations({"addedMembers": [], "errors": errors})
    with pytest.raises(PartialFailure, match=r"1 of 1 failed: .*a@example\.com.*is a member") as caught:
        found.raise_for_failures()
    assert list(caught.value.failed.values()) == [found.failed[0].reason]


@pytest.mark.parametrize("errors", [[], None, {}, ""])
def test_no_errors_are_no_failure(errors: object) -> None:
    invitations({"addedMembers": [{"email": "a@example.com"}], "errors": errors}).raise_for_failures()
