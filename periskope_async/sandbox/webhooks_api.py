"""The endpoints of webhooks: the URLs for events. Posting the events is no part of this file.

Nothing is posted to example.com, the target of the subscriptions of the start: nobody made those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from periskope_async.sandbox.cast import ORG_ID
from periskope_async.sandbox.moments import NEWEST, stamp, stamp_now
from periskope_async.sandbox.org import uuid_of
from periskope_async.sandbox.routes import Body, Refused, Route
from periskope_async.sandbox.shapes import BOOL, TEXT, an_array, an_object, choice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from periskope_async.sandbox.org import Org
    from periskope_async.sandbox.routes import Call, Schema

__all__ = ["EVENTS", "WEBHOOK", "Webhooks"]

EVENTS = (
    "chat.created",
    "chat.updated",
    "chat.label.updated",
    "chat.custom_properties.updated",
    "chat.notification.created",
    "message.created",
    "message.updated",
    "message.deleted",
    "message.ack.updated",
    "message.flagged",
    "message.unflagged",
    "message.ticket.attached",
    "reaction.created",
    "reaction.updated",
    "reaction.added",
    "ticket.created",
    "ticket.updated",
    "ticket.deleted",
    "note.created",
    "org.created",
    "org.updated",
    "org.member.created",
    "org.member.updated",
    "org.phone.created",
    "org.phone.updated",
    "org.phone.connected",
    "org.phone.disconnected",
    "org.phone.qr",
    "org.integrations.updated",
    "org.subscription.trial_will_end",
)
"""The event names of all sources."""

_TYPES = (
    "zapier",
    "pabbly",
    "api",
    "webhook",
    "hubspot",
    "freshdesk",
    "slack",
    "jira",
    "salesforce",
    "zohodesk",
    "zohocrm",
    "gsheets",
)
WEBHOOK: Schema = an_object(
    {
        "text": "id hook_url integration_name integration_type type subscribed_at org_id",
        "text_or_null": "integration_id",
        "bool": "is_subscribed",
        "map": "integration_metadata",
    }
)
_NOBODY = "https://example.com/"
_URL: Schema = {"type": "string", "pattern": "^https?://"}
# Keys of a body, and their names in a row.
_COLUMNS = {
    "hookUrl": "hook_url",
    "integrationName": "integration_name",
    "integrationMetadata": "integration_metadata",
    "integrationType": "integration_type",
    "type": "type",
    "isSubscribed": "is_subscribed",
}


class Webhooks:
    """The webhooks of the organisation, one for each URL and event."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self.on_change: Callable[[Iterable[tuple[str, str]]], object] = lambda _: None
        """The listener for changed subscriptions, as pairs of event and URL."""
        self.rows: dict[str, dict[str, Any]] = {}
        for number, event in enumerate(("message.created", "ticket.updated")):
            drawn = org.draw("webhook", number)
            url = f"{_NOBODY}hooks/{number}"
            self._add(uuid_of(drawn), event, {"hookUrl": url}, stamp(NEWEST - number, drawn[0] % 1_000_000), None)

    def routes(self) -> list[Route]:
        """Give the endpoints."""
        rest: dict[str, Schema] = {
            "integrationMetadata": {"type": ["object", "null"]},
            "integrationType": TEXT,
            "type": choice(*_TYPES),
            "name": TEXT,
        }
        name = choice(*EVENTS)
        names: Schema = {"anyOf": [name, {"type": "array", "items": name, "minItems": 1}]}
        create = Body({"hookUrl": _URL, "integrationName": names, **rest}, needed=("hookUrl", "integrationName"))
        keys = {"hookUrl": _URL, "integrationName": name, **rest, "isSubscribed": BOOL}
        query: dict[str, Schema] = {
            **dict.fromkeys(("integration_name", "type", "integration_id", "hook_url"), TEXT),
            "is_subscribed": choice("true", "false"),
        }
        rows, one = an_array(WEBHOOK), "/webhooks/{id}"
        return [
            Route("GET", "/webhooks", self._list, rows, query=query),
            Route("GET", one, self._get, WEBHOOK),
            Route("POST", "/webhooks", self._create, rows, body=create, status=201),
            Route("PATCH", one, self._update, WEBHOOK, body=Body(keys, one_of=tuple(keys))),
            Route("DELETE", one, self._delete, status=204),
        ]

    def _list(self, call: Call) -> list[dict[str, Any]]:
        wanted = {name: call.text(name) for name in ("integration_name", "type", "integration_id", "hook_url")}
        subscribed = {"true": True, "false": False}.get(call.text("is_subscribed") or "")
        return [
            row
            for row in self.rows.values()
            if subscribed in {None, row["is_subscribed"]}
            and all(text in {None, row[name]} for name, text in wanted.items())
        ]

    def _find(self, call: Call) -> dict[str, Any]:
        row = self.rows.get(call.path["id"])
        if row is None:
            raise Refused(404, "Webhook not found")
        return row

    def _get(self, call: Call) -> dict[str, Any]:
        return self._find(call)

    def _create(self, call: Call) -> list[dict[str, Any]]:
        given: Any = call.body["integrationName"]
        names: list[str] = [given] if isinstance(given, str) else given
        shared = uuid_of(self._org.issue("integration")) if len(names) > 1 else None
        now = stamp_now(call.now)
        body = dict(call.body)
        rows = [self._add(uuid_of(self._org.issue("webhook")), name, body, now, shared) for name in names]
        self._changed()
        return rows

    def _changed(self) -> None:
        self.on_change(
            (row["integration_name"], row["hook_url"])
            for row in self.rows.values()
            if row["is_subscribed"] and not row["hook_url"].startswith(_NOBODY)
        )

    def _add(
        self, webhook_id: str, event: str, body: dict[str, Any], now: str, integration_id: str | None
    ) -> dict[str, Any]:
        row = self.rows[webhook_id] = {
            "id": webhook_id,
            "hook_url": body["hookUrl"],
            "integration_name": event,
            "integration_type": body.get("integrationType", "webhook"),
            "type": body.get("type", "webhook"),
            "is_subscribed": True,
            "subscribed_at": now,
            "org_id": ORG_ID,
            "integration_id": integration_id,
            "integration_metadata": body.get("integrationMetadata") or {},
        }
        return row

    def _update(self, call: Call) -> dict[str, Any]:
        row = self._find(call)
        row.update({_COLUMNS[name]: value for name, value in call.only(*_COLUMNS).items()})
        row["integration_metadata"] = row["integration_metadata"] or {}
        self._changed()
        self._org.world.emit("org.integrations.updated", row)
        return row

    def _delete(self, call: Call) -> None:
        del self.rows[self._find(call)["id"]]
        self._changed()
