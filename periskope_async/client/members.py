"""Members of the organisation. No endpoint lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from periskope_async.client.base import BaseClient
from periskope_async.decoding.objects import many_of, one_of
from periskope_async.errors import ConfigError
from periskope_async.models.member import Member
from periskope_async.models.outcome import MemberInvitations
from periskope_async.models.unset import UNSET
from periskope_async.wire import inputs
from periskope_async.wire.request import encoded

if TYPE_CHECKING:
    from typing import Any

    from msgspec import Raw

    from periskope_async.models.unset import Maybe
    from periskope_async.wire.inputs import Words

__all__ = ["MemberMethods", "Role"]

Role: TypeAlias = Literal["admin", "member"]

_ROLES: tuple[Role, ...] = get_args(Role)


class MemberMethods(BaseClient):
    """The client's methods for members (https://docs.periskope.app/api-reference/members/update-member-access).

    They wait for the limit and raise ConfigError, NotFoundError, ValidationError, other APIErrors, TransportError if
    nothing was sent, and OutcomeUnknown.
    """

    async def invite_members(
        self, emails: Words, *, role: Role, labels: Words | None = None, org_phones: Words | None = None
    ) -> MemberInvitations:
        """Invite members. It may succeed for some: see ``.failed`` and ``raise_for_failures()``.

        ``labels`` (names) and ``org_phones`` bound a member's view; None sets no bound. An admin sees all. ``role``
        gives rights, so it has no default here; the server's is "member".
        """
        if role not in _ROLES:
            raise ConfigError(f"role is {role!r:.100}; it takes 'admin' or 'member'", parameter="role")
        body = inputs.json_body(
            {"emails": inputs.emails("emails", emails), "role": role, **_access(labels, org_phones)}
        )
        reader = one_of(MemberInvitations, may_be_blank=False)
        return await self._write("POST", "/members/invite", reader, body=body, look_at="the members in the console")

    async def update_member_access(
        self, emails: Words, *, labels: Maybe[Words] = UNSET, org_phones: Maybe[Words] = UNSET
    ) -> list[Member]:
        """Bound these members' view to labels' chats and phones, and get them as they are now.

        Each replaces the old bound, None takes it away, and UNSET keeps it; give at least one. It works only for the
        role member. (The types of the official client want both.)
        """
        access = _access(labels, org_phones, none=inputs.NULL)
        inputs.at_least_one(labels=access["labels"], org_phones=access["orgPhones"])
        body = inputs.json_body({"emails": inputs.emails("emails", emails), **access})
        return await self._write(
            "PATCH", "/members/access", many_of(Member), body=body, look_at="the members in the console"
        )

    async def delete_member(self, email: str) -> None:
        """Take a member out of the organisation."""
        target = f"/members/{encoded(inputs.email('email', email))}"
        await self._do("DELETE", target, look_at="the members in the console")


def _access(labels: Maybe[Words], org_phones: Maybe[Words], *, none: Raw | None = None) -> dict[str, Any]:
    """Write the bounds that are given; ``none`` stands for None."""
    access: dict[str, Any] = {"labels": none, "orgPhones": none}
    if labels is not None:
        access["labels"] = None if labels is UNSET else inputs.label_names("labels", labels)
    if org_phones is not None:
        phones = None if org_phones is UNSET else inputs.many_digits("org_phones", org_phones, least=0)
        access["orgPhones"] = phones
    return access
