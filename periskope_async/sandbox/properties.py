"""The endpoints of custom properties. What they refuse with, but for 404, is not documented."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from periskope_async.sandbox.cast import PROPERTIES
from periskope_async.sandbox.moments import NEWEST, zulu
from periskope_async.sandbox.org import uuid_of
from periskope_async.sandbox.routes import Body, Refused, Route
from periskope_async.sandbox.shapes import BOOL, TEXT, TEXTS, an_array, an_object, choice

if TYPE_CHECKING:
    from collections.abc import Iterable

    from periskope_async.sandbox.org import Org
    from periskope_async.sandbox.routes import Call, Schema

__all__ = ["PROPERTY", "Properties"]

_OPTION = an_object({"text": "id label"})
PROPERTY: Schema = an_object(
    {
        "text": "property_id property_name type kind created_at",
        "text_or_null": "section_id section_name",
        "bool": "mandatory",
    },
    others={"options": an_array(_OPTION)},
)
_TYPE = choice("chat", "ticket")
_WITH_OPTIONS = ("dropdown", "picklist")
# Those of @periskope/types but dependent_dropdown, which the endpoint does not take.
_KINDS = (*_WITH_OPTIONS, "text", "date", "file")


class Properties:
    """The custom properties of the organisation, by id."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._rows: dict[str, dict[str, Any]] = {}
        for (property_id, words), name in zip(PROPERTIES, ("Tier", "City", "Renewal"), strict=True):
            kind = "date" if name == "Renewal" else "dropdown"
            self._add(property_id, {"name": name, "type": "chat", "kind": kind, "options": words}, NEWEST)

    def routes(self) -> list[Route]:
        """Give the endpoints."""
        some: dict[str, Schema] = {"name": TEXT, "section": TEXT, "mandatory": BOOL}
        create = Body(
            {**some, "type": _TYPE, "kind": choice(*_KINDS), "options": TEXTS}, needed=("name", "type", "kind")
        )
        options = Body({"operation": choice("add", "remove"), "options": TEXTS}, needed=("operation", "options"))
        refs: dict[str, Schema] = {"ticket_properties": TEXTS, "chat_properties": TEXTS}
        outcome = an_object({"text": "label", "text_or_null": "id", "bool": "added removed"}, maybe="added removed")
        changed = an_object({"text": "property_id operation"}, others={"options": an_array(outcome)})
        gone = an_object(
            {"text": "property_ref", "text_or_null": "property_id reason", "bool": "deleted"},
            maybe="property_id reason",
        )
        deleted = an_object({"int": "deleted_count"}, others={"properties": an_array(gone)})
        query, one = {"type": _TYPE}, "/properties/{property_id}"
        found: Schema = {"anyOf": [PROPERTY, an_array(PROPERTY)]}
        return [
            Route("GET", "/properties", self._list, _data(an_array(PROPERTY)), query=query),
            Route("GET", one, self._get, _data(found), query=query),
            Route("POST", "/properties/create", self._create, _data(PROPERTY), body=create),
            Route("POST", one, self._update, _data(PROPERTY), query=query, body=Body(some, one_of=tuple(some))),
            Route("POST", f"{one}/options", self._change_options, _data(changed), query=query, body=options),
            Route("DELETE", "/properties", self._delete, _data(deleted), body=Body(refs, one_of=tuple(refs))),
        ]

    def _named(self, ref: str, kind: str | None) -> list[dict[str, Any]]:
        rows = [row for row in self._rows.values() if kind in {None, row["type"]}]
        return [row for row in rows if ref in {row["property_id"], row["property_name"]}]

    def _found(self, call: Call) -> list[dict[str, Any]]:
        found = self._named(call.path["property_id"], call.text("type"))
        if not found:
            raise Refused(404, "Custom property not found")
        return found

    def _one(self, call: Call) -> dict[str, Any]:
        found = self._found(call)
        if len(found) > 1:
            raise Refused(422, "property_id is ambiguous: give type")
        return found[0]

    def _list(self, call: Call) -> dict[str, Any]:
        kind = call.text("type")
        return {"success": True, "data": [row for row in self._rows.values() if kind in {None, row["type"]}]}

    def _get(self, call: Call) -> dict[str, Any]:
        found = self._found(call)
        return {"success": True, "data": found[0] if len(found) == 1 else found}

    def _create(self, call: Call) -> dict[str, Any]:
        if (call.body["kind"] in _WITH_OPTIONS) != bool(call.body.get("options")):
            raise Refused(422, "options are for a dropdown or a picklist, which need them")
        self._check(call, call.body["type"])
        letters = "".join(chr(97 + drawn % 26) for drawn in self._org.issue("property"))
        row = self._add(f"property-{letters}", call.body, call.now)
        return {"success": True, "message": "Custom property created", "data": row}

    def _update(self, call: Call) -> dict[str, Any]:
        row = self._one(call)
        self._check(call, row["type"], row)
        row |= {"property_name": call.body.get("name", row["property_name"]), **call.only("mandatory")}
        if "section" in call.body:
            row |= self._section(call.body["section"])
        return {"success": True, "message": "Custom property updated", "data": row}

    def _change_options(self, call: Call) -> dict[str, Any]:
        row = self._one(call)
        if row["kind"] not in _WITH_OPTIONS:
            raise Refused(422, f"a {row['kind']} property has no options")
        operation = call.body["operation"]
        outcomes: list[dict[str, Any]] = []
        for word in call.body["options"]:
            there = next((option for option in row["options"] if word in {option["label"], option["id"]}), None)
            if operation == "add":
                option = there or self._option(word)
                outcomes.append({**option, "added": there is None})
                if there is None:
                    row["options"].append(option)
            else:
                outcomes.append({**(there or {"id": None, "label": word}), "removed": there is not None})
                if there is not None:
                    row["options"].remove(there)
        data = {"property_id": row["property_id"], "operation": operation, "options": outcomes}
        return {"success": True, "message": "Options updated", "data": data}

    def _delete(self, call: Call) -> dict[str, Any]:
        outcomes: list[dict[str, Any]] = []
        for kind in ("ticket", "chat"):
            for ref in call.body.get(f"{kind}_properties", ()):
                found = self._named(ref, kind)
                if found:
                    property_id = found[0]["property_id"]
                    del self._rows[property_id]
                    outcomes.append({"property_ref": ref, "property_id": property_id, "deleted": True})
                else:
                    outcomes.append({"property_ref": ref, "deleted": False, "reason": "not_found"})
        data = {"deleted_count": sum(one["deleted"] for one in outcomes), "properties": outcomes}
        return {"success": True, "message": "Custom properties deleted", "data": data}

    def _check(self, call: Call, kind: str, changed: dict[str, Any] | None = None) -> None:
        if call.body.get("mandatory") and kind == "chat":
            raise Refused(422, "mandatory is supported only for ticket properties")
        if "name" in call.body and any(row is not changed for row in self._named(call.body["name"], kind)):
            raise Refused(422, "name should be unique within its type")

    def _add(self, property_id: str, body: Any, now: float) -> dict[str, Any]:
        row = self._rows[property_id] = {
            "property_id": property_id,
            "property_name": body["name"],
            "type": body["type"],
            "kind": body["kind"],
            "mandatory": body.get("mandatory", False),
            **self._section(body.get("section")),
            "options": self._options(body),
            "created_at": zulu(now),
        }
        return row

    def _section(self, name: str | None) -> dict[str, str | None]:
        section_id = uuid_of(self._org.draw(f"section {name}")) if name else None
        return {"section_id": section_id, "section_name": name or None}

    def _options(self, body: Any) -> list[dict[str, str]]:
        words: Iterable[str] = body.get("options", ()) if body["kind"] in _WITH_OPTIONS else ()
        return [self._option(word) for word in dict.fromkeys(words)]

    def _option(self, label: str) -> dict[str, str]:
        return {"id": str(1_700_000_000_000 + self._org.draw(f"option {label}")[0]), "label": label}


def _data(schema: Schema) -> Schema:
    """Put the envelope of these endpoints around an answer."""
    return an_object({"bool": "success", "text": "message"}, maybe="message", others={"data": schema})
