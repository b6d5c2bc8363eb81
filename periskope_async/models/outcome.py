"""The outcome of each part of a call, if it may succeed in part: participants of a group, invited members."""

from periskope_async.errors import PartialFailure
from periskope_async.models.member import Member
from periskope_async.models.part import Part
from periskope_async.models.unset import UNSET, Maybe

__all__ = [
    "Confirmation",
    "InviteError",
    "InviteFailure",
    "MemberInvitations",
    "ParticipantResult",
    "ParticipantResults",
]


class ParticipantResult(Part, frozen=True, kw_only=True, rename={"is_invite_v4_sent": "isInviteV4Sent"}):
    """The outcome for one participant."""

    code: Maybe[int] = UNSET
    is_invite_v4_sent: Maybe[bool] = UNSET
    """Whether only an invite went out."""
    is_success: Maybe[bool] = UNSET
    message: Maybe[str] = UNSET
    """Text, such as ``Invite sent to participant``."""


class ParticipantResults(Part, frozen=True, kw_only=True):
    """The outcome for each participant, keyed by id with ``@c.us`` for every form of the argument."""

    results: dict[str, ParticipantResult]

    @property
    def failed(self) -> dict[str, ParticipantResult]:
        """The participants without the server's word of success."""
        return {contact_id: result for contact_id, result in self.results.items() if result.is_success is not True}

    def raise_for_failures(self) -> None:
        """Raise PartialFailure if one has failed."""
        if failed := self.failed:
            why = {contact_id: result.message or "no reason given" for contact_id, result in failed.items()}
            raise PartialFailure(len(self.results), why)


class InviteError(Part, frozen=True, kw_only=True):
    """Why a member could not be invited."""

    message: Maybe[str] = UNSET


class InviteFailure(Part, frozen=True, kw_only=True):
    """A failed invitation."""

    email: Maybe[str] = UNSET
    error: Maybe[InviteError] = UNSET

    @property
    def reason(self) -> str:
        """Why it failed, in the server's words."""
        plain = self.undecoded.get("error")
        said = self.error.message if self.error else plain if isinstance(plain, str) else None
        return said or "no reason given"


class MemberInvitations(Part, frozen=True, kw_only=True, rename={"added_members": "addedMembers"}):
    """The invited members, and the failed invitations."""

    added_members: Maybe[tuple[Member, ...]] = UNSET
    errors: Maybe[tuple[InviteFailure, ...]] = UNSET

    @property
    def failed(self) -> tuple[InviteFailure, ...]:
        """The failed invitations. ``errors`` of an unknown form are one, with their text as its reason."""
        unread = self.undecoded.get("errors")
        return (InviteFailure(error=InviteError(message=str(unread))),) if unread else self.errors or ()

    def raise_for_failures(self) -> None:
        """Raise PartialFailure if one could not be invited."""
        if failed := self.failed:
            why = {str(one.email or "?"): one.reason for one in failed}
            raise PartialFailure(len(failed) + len(self.added_members or ()), why)


class Confirmation(Part, frozen=True, kw_only=True):
    """The answer of some calls in place of the changed object."""

    message: Maybe[str] = UNSET
    success: Maybe[bool] = UNSET
