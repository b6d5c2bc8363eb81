"""Webhook subscriptions, each of an event to an address. They belong to no phone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from periskope_async.client.base import BaseClient
from periskope_async.decoding.objects import many_of, one_of
from periskope_async.models.subscription import WebhookSubscription
from periskope_async.wire import inputs
from periskope_async.wire.request import encoded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from periskope_async.wire.inputs import Words

__all__ = ["WebhookMethods"]


class WebhookMethods(BaseClient):
    """The client's methods for webhook subscriptions (https://docs.periskope.app/api-reference/webhooks).

    Writes wait for the limit and raise ConfigError, NotFoundError, ValidationError, other APIErrors, TransportError if
    nothing was sent, and OutcomeUnknown.
    """

    async def list_webhooks(
        self,
        *,
        event: str | None = None,
        hook_url: str | None = None,
        is_subscribed: bool | None = None,
        integration_id: str | None = None,
        type: str | None = None,  # noqa: A002 - the API's own word, and keyword-only
    ) -> list[WebhookSubscription]:
        """Read all matching subscriptions; the list has no pages. Raises as :meth:`list_chats` does."""
        filters = {
            "integration_name": None if event is None else inputs.text("event", event),
            "hook_url": None if hook_url is None else inputs.url("hook_url", hook_url),
            "is_subscribed": {None: None, True: "true", False: "false"}[
                inputs.optional_flag("is_subscribed", is_subscribed)
            ],
            "integration_id": None if integration_id is None else inputs.text("integration_id", integration_id),
            "type": None if type is None else inputs.text("type", type),
        }
        query = "&".join(f"{name}={encoded(value)}" for name, value in filters.items() if value is not None)
        return await self._read(f"/webhooks?{query}" if query else "/webhooks", many_of(WebhookSubscription))

    async def get_webhook(self, webhook_id: str) -> WebhookSubscription:
        """Read one subscription. Raises NotFoundError if there is none."""
        return await self._read(_target(webhook_id), one_of(WebhookSubscription))

    async def create_webhooks(
        self,
        hook_url: str,
        *,
        events: Words,
        integration_metadata: Mapping[str, Any] | None = None,
        integration_type: str | None = None,
        type: str | None = None,  # noqa: A002 - as above
        name: str | None = None,
    ) -> list[WebhookSubscription]:
        """Subscribe an address to these events (such as ``message.created``); get a subscription for each."""
        body = inputs.json_body(
            {
                "hookUrl": inputs.url("hook_url", hook_url),
                "integrationName": inputs.texts("events", events),
                **_rest(integration_metadata, integration_type, type, name),
            }
        )
        return await self._write(
            "POST", "/webhooks", many_of(WebhookSubscription), body=body, look_at="list_webhooks(hook_url=…)"
        )

    async def update_webhook(
        self,
        webhook_id: str,
        *,
        hook_url: str | None = None,
        event: str | None = None,
        is_subscribed: bool | None = None,
        integration_metadata: Mapping[str, Any] | None = None,
        integration_type: str | None = None,
        type: str | None = None,  # noqa: A002 - as above
        name: str | None = None,
    ) -> WebhookSubscription:
        """Change one subscription, and get it as it is now. None keeps a value."""
        inputs.at_least_one(
            hook_url=hook_url,
            event=event,
            is_subscribed=is_subscribed,
            integration_metadata=integration_metadata,
            integration_type=integration_type,
            type=type,
            name=name,
        )
        body = inputs.json_body(
            {
                "hookUrl": None if hook_url is None else inputs.url("hook_url", hook_url),
                "integrationName": None if event is None else inputs.text("event", event),
                "isSubscribed": inputs.optional_flag("is_subscribed", is_subscribed),
                **_rest(integration_metadata, integration_type, type, name),
            }
        )
        return await self._write(
            "PATCH", _target(webhook_id), one_of(WebhookSubscription), body=body, look_at="get_webhook"
        )

    async def delete_webhook(self, webhook_id: str) -> None:
        """Delete one subscription."""
        await self._do("DELETE", _target(webhook_id), look_at="get_webhook")


def _rest(
    metadata: Mapping[str, Any] | None, integration_type: str | None, kind: str | None, name: str | None
) -> dict[str, Any]:
    return {
        "integrationMetadata": None if metadata is None else inputs.mapping("integration_metadata", metadata),
        "integrationType": inputs.optional_text("integration_type", integration_type),
        "type": inputs.optional_text("type", kind),
        "name": inputs.optional_text("name", name),
    }


def _target(webhook_id: str) -> str:
    return f"/webhooks/{encoded(inputs.path_id('webhook_id', webhook_id))}"
