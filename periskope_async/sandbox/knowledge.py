"""The endpoints of the knowledge base: questions with answers, and documents cut into chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from periskope_async.sandbox.cast import LINES, ORG_ID
from periskope_async.sandbox.moments import NEWEST, made_stamp, stamp_now
from periskope_async.sandbox.org import uuid_of
from periskope_async.sandbox.routes import Body, Refused, Route
from periskope_async.sandbox.shapes import TEXT, an_array, an_object, choice, page_query
from periskope_async.sandbox.shelf import Entry, Shelf, Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from periskope_async.sandbox.org import Org
    from periskope_async.sandbox.routes import Call, Schema

__all__ = ["ITEM", "Knowledge"]

ITEM: Schema = an_object(
    {
        "text": "context_id org_id question answer embedding",
        "text_or_null": "type document_id created_at",
        "any": "attachments",
        "map_or_null": "metadata",
    }
)
# The number of chunks of a document at the start; each chunk is one item.
_CHUNKS = 3


class Knowledge:
    """Items, newest first. Items with the same document id make one document."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._shelf = org.shelves["knowledge_base"] = Shelf(stock=self._stock, make=self._make, fresh=self._fresh)

    def routes(self) -> list[Route]:
        """Give the endpoints."""
        attachments: Schema = {"type": ["array", "null"], "items": TEXT}
        faq = Body({"question": TEXT, "answer": TEXT, "attachments": attachments}, needed=("question", "answer"))
        source = {**dict.fromkeys(("url", "base64", "filename"), TEXT), "file": {}}
        document = Body({"document": {"type": "object", "properties": source}}, needed=("document",))
        page = an_object({"int": "count"}, others={"data": an_array(ITEM)})
        made = an_array(
            an_object(
                {"text": "file_name status", "text_or_null": "reason document_id file_path", "int": "chunks_count"},
                maybe="document_id file_path chunks_count",
            )
        )
        root = "/knowledge-base"
        one_faq, one_document = f"{root}/faq/{{context_id}}", f"{root}/document/{{document_id}}"
        context, document_id = an_object({"text": "context_id"}), an_object({"text": "document_id"})
        return [
            Route("GET", root, self._list, page, query=page_query(type=choice("faq", "document"))),
            Route("GET", one_faq, self._get, ITEM),
            Route("GET", one_document, self._get_document, an_array(ITEM)),
            Route("POST", f"{root}/faq/create", self._create, context, body=faq),
            Route("PATCH", one_faq, self._update, ITEM, body=faq),
            Route("DELETE", one_faq, self._delete, context),
            Route("POST", f"{root}/document/create", self._create_document, made, body=document),
            Route("DELETE", one_document, self._delete_document, document_id),
        ]

    def _list(self, call: Call) -> bytes:
        return self._org.page("knowledge_base", call, wanted=Wanted(tag=call.text("type")), key="data", places=False)

    def _find(self, call: Call) -> Entry:
        return self._org.found("knowledge_base", call.path["context_id"], "FAQ")

    def _get(self, call: Call) -> dict[str, Any]:
        return self._shelf.row(self._find(call))

    def _create(self, call: Call) -> dict[str, Any]:
        entry = Entry(uuid_of(self._org.issue("faq")), int(call.now), tag="faq")
        entry.row = {
            "context_id": entry.key,
            "org_id": ORG_ID,
            "attachments": None,
            **call.only("question", "answer", "attachments"),
            "embedding": "[0.0078,-0.0121,0.5]",
            "type": "faq",
            "document_id": None,
            "created_at": _naive(stamp_now(call.now)),
            "metadata": None,
        }
        self._shelf.add(entry)
        return {"context_id": entry.key}

    def _update(self, call: Call) -> dict[str, Any]:
        return self._shelf.change(self._find(call), **call.only("question", "answer", "attachments"))

    def _delete(self, call: Call) -> dict[str, Any]:
        entry = self._find(call)
        self._shelf.remove(entry)
        return {"context_id": entry.key}

    def _chunks(self, call: Call) -> list[Entry]:
        document_id = call.path["document_id"]
        chunks = [entry for entry in self._shelf.entries() if self._shelf.row(entry)["document_id"] == document_id]
        if not chunks:
            raise Refused(404, "Document not found")
        return chunks

    def _get_document(self, call: Call) -> list[dict[str, Any]]:
        return [self._shelf.row(entry) for entry in self._chunks(call)]

    def _create_document(self, call: Call) -> list[dict[str, Any]]:
        given = call.body["document"]
        name = given.get("filename") or (given.get("url") or "document").rpartition("/")[2]
        if not any(given.get(source) for source in ("url", "base64", "file")):
            return [{"file_name": name, "status": "failed", "reason": "document needs one of url, base64, file"}]
        drawn = self._org.issue("document")
        document_id, path = uuid_of(drawn), f"{ORG_ID}/{drawn[0]:08x}/{name}"
        chunk_ids = [uuid_of(self._org.issue("chunk")) for _ in range(2)]
        for number, chunk_id in enumerate(chunk_ids):
            row = {
                "context_id": chunk_id,
                "org_id": ORG_ID,
                "question": name,
                "answer": f"Part {number + 1} of {name}",
                "attachments": None,
                "embedding": "[0.25,0.5]",
                "type": "document",
                "document_id": document_id,
                "created_at": _naive(stamp_now(call.now)),
                "metadata": {"fileName": name, "filePath": path, "tokenCount": 120},
            }
            self._shelf.add(Entry(chunk_id, int(call.now), tag="document", row=row))
        made = {"document_id": document_id, "file_path": path, "chunks_count": len(chunk_ids)}
        return [{"file_name": name, "status": "success", "reason": None, **made}]

    def _delete_document(self, call: Call) -> dict[str, Any]:
        for entry in self._chunks(call):
            self._shelf.remove(entry)
        return {"document_id": call.path["document_id"]}

    def _stock(self) -> Iterator[Entry]:
        for number in range(self._org.sizes["knowledge_base"]):
            # The last three of each seven items are one document.
            document, place = divmod(number, 7)
            kind = "document" if place >= 7 - _CHUNKS else "faq"
            at = NEWEST - 1 - (number - number % 3 // 2) * 40_003
            yield Entry(uuid_of(self._org.draw("item", number)), at, tag=kind, made_from=(number, document))

    def _fresh(self) -> Entry:
        drawn = self._org.issue("item")
        return Entry(uuid_of(drawn), int(self._org.now), tag="faq", made_from=(drawn[0], 0))

    def _make(self, entry: Entry) -> dict[str, Any]:
        number, document = entry.made_from
        drawn = self._org.draw("item", number)
        is_chunk = entry.tag == "document"
        name = f"manual-{document}.pdf"
        path = f"{ORG_ID}/{document:08x}/{name}"
        item: dict[str, Any] = {
            "context_id": entry.key,
            "org_id": ORG_ID,
            "question": name if is_chunk else f"{LINES[drawn[0] % len(LINES)]}?",
            "answer": LINES[drawn[1] % len(LINES)],
            "embedding": f"[0.0078,-0.0{drawn[2] % 1000:03d},0.5]",
            "type": entry.tag,
            "document_id": uuid_of(self._org.draw("document", document)) if is_chunk else None,
            "created_at": _naive(made_stamp(entry.at, drawn[3])),
            "attachments": [f"https://example.com/{drawn[4]:08x}.png"] if drawn[4] % 5 == 0 else None,
            "metadata": {"fileName": name, "filePath": path, "tokenCount": drawn[5] % 800} if is_chunk else None,
        }
        if self._org.oddities and drawn[6] % 12 == 0:
            item |= {"embedding": [0.0078, 0.5], "tags": ["billing"], "avg_rating": 4.5, "created_at": None}
        return item


def _naive(moment: str) -> str:
    """Write a time without its offset, as the sample does."""
    return moment.removesuffix("+00:00")
