"""A webhook subscription: which event goes to which address (https://docs.periskope.app/api-reference/webhooks)."""

from typing import Any

from periskope_async.models.part import Part
from periskope_async.models.times import FlexTime
from periskope_async.models.unset import UNSET, Maybe

__all__ = ["WebhookSubscription"]


class WebhookSubscription(Part, frozen=True, kw_only=True):
    """One event that is sent to one address; an address with three events has three. The hash is that of ``id``."""

    id: str
    hook_url: Maybe[str] = UNSET
    integration_id: Maybe[str] = UNSET
    """What subscriptions that were made together share."""
    integration_metadata: Maybe[dict[str, Any]] = UNSET
    integration_name: Maybe[str] = UNSET
    """The event, such as ``message.created``."""
    integration_type: Maybe[str] = UNSET
    is_subscribed: Maybe[bool] = UNSET
    org_id: Maybe[str] = UNSET
    subscribed_at: Maybe[FlexTime] = UNSET
    type: Maybe[str] = UNSET
    """``webhook``, ``api``, ``zapier``, ``pabbly``, ``hubspot``, ``freshdesk``, ``slack``, ``jira``, ``salesforce``,
    ``zohodesk``, ``zohocrm``, ``gsheets``, or a word not met yet."""

    def __hash__(self) -> int:
        return hash(self.id)
