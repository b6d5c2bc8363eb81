"""A webhook subscription of one event to one address (https://docs.periskope.app/api-reference/webhooks)."""

from typing import Any

from periskope_async.models.part import Part
from periskope_async.models.times import FlexTime
from periskope_async.models.unset import UNSET, Maybe

__all__ = ["WebhookSubscription"]


class WebhookSubscription(Part, frozen=True, kw_only=True):
    """One event, sent to one address; an address with three events has three. The hash uses ``id`` alone."""

    id: str
    hook_url: Maybe[str] = UNSET
    integration_id: Maybe[str] = UNSET
    """The shared id of subscriptions made together."""
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
