"""The knowledge base of the AI agent; it belongs to no phone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from periskope_async.client.base import BaseClient
from periskope_async.client.lists import KNOWLEDGE_BASE
from periskope_async.decoding.objects import many_of, one_of
from periskope_async.media import Media
from periskope_async.models.knowledge import DocumentResult, FaqReceipt, KnowledgeBaseItem
from periskope_async.wire import inputs
from periskope_async.wire.request import encoded

if TYPE_CHECKING:
    from typing import Unpack

    from periskope_async.client.base import WalkParams
    from periskope_async.models.page import ListPage
    from periskope_async.paging.pager import Pager
    from periskope_async.wire.inputs import Words
    from periskope_async.wire.listing import ListQuery

__all__ = ["KnowledgeBaseMethods", "KnowledgeType"]

KnowledgeType: TypeAlias = Literal["faq", "document"]

_TYPES: tuple[KnowledgeType, ...] = get_args(KnowledgeType)


class KnowledgeBaseMethods(BaseClient):
    """The client's methods for the knowledge base (types of ``@periskope/periskope-client``).

    Writes wait for the limit and raise ConfigError, NotFoundError, ValidationError, other APIErrors, TransportError if
    nothing was sent, and OutcomeUnknown.
    """

    def iter_knowledge_base(
        self,
        *,
        type: KnowledgeType | None = None,  # noqa: A002 - the API's own word, and keyword-only
        **walk: Unpack[WalkParams],
    ) -> Pager[KnowledgeBaseItem]:
        """Walk over all questions and all chunks of documents, or over one kind. Their order is not documented.

        Options and raised errors are as in :meth:`iter_chats`.
        """
        return self._walk(_query(type), **walk)

    async def list_knowledge_base(
        self,
        *,
        type: KnowledgeType | None = None,  # noqa: A002 - as above
        offset: int = 0,
        limit: int = 1000,
    ) -> ListPage[KnowledgeBaseItem]:
        """Read one page of the list of :meth:`iter_knowledge_base`. Raises as :meth:`list_chats` does."""
        return await self._page(_query(type), offset=offset, limit=limit)

    async def get_faq(self, context_id: str) -> KnowledgeBaseItem:
        """Read one question with its answer. Raises NotFoundError if there is none."""
        return await self._read(_faq(context_id), one_of(KnowledgeBaseItem))

    async def get_document(self, document_id: str) -> list[KnowledgeBaseItem]:
        """Read all chunks of a document. Raises NotFoundError if there is none."""
        return await self._read(_document(document_id), many_of(KnowledgeBaseItem))

    async def create_faq(self, *, question: str, answer: str, attachments: Words | None = None) -> str:
        """Add a question with its answer, and get its ``context_id``. ``attachments`` are URLs."""
        body = _faq_body(question, answer, attachments)
        receipt = await self._write(
            "POST", "/knowledge-base/faq/create", one_of(FaqReceipt), body=body, look_at="iter_knowledge_base"
        )
        return receipt.context_id

    async def update_faq(
        self, context_id: str, *, question: str, answer: str, attachments: Words | None = None
    ) -> KnowledgeBaseItem:
        """Replace a question and its answer, and get them as they are now. The server wants both."""
        body = _faq_body(question, answer, attachments)
        return await self._write("PATCH", _faq(context_id), one_of(KnowledgeBaseItem), body=body, look_at="get_faq")

    async def delete_faq(self, context_id: str) -> None:
        """Delete a question."""
        await self._do("DELETE", _faq(context_id), look_at="get_faq")

    async def create_document(self, document: Media) -> list[DocumentResult]:
        """Add a document, and get its outcome: see ``status`` and ``reason``."""
        inputs.instance("document", document, Media, "make one with Media.from_path(…)")
        if document.url is not None:
            given = {"url": document.url, "filename": document.filename}
        else:
            given = {"base64": await document.encoded(), "filename": document.filename}
        return await self._write(
            "POST",
            "/knowledge-base/document/create",
            many_of(DocumentResult),
            body=inputs.json_body({"document": given}),
            look_at="iter_knowledge_base",
        )

    async def delete_document(self, document_id: str) -> None:
        """Delete a document with all its chunks."""
        await self._do("DELETE", _document(document_id), look_at="get_document")


def _query(kind: KnowledgeType | None) -> ListQuery[KnowledgeBaseItem]:
    return KNOWLEDGE_BASE.query({"type": inputs.one_of("type", kind, _TYPES)})


def _faq(context_id: str) -> str:
    return f"/knowledge-base/faq/{encoded(inputs.path_id('context_id', context_id))}"


def _document(document_id: str) -> str:
    return f"/knowledge-base/document/{encoded(inputs.path_id('document_id', document_id))}"


def _faq_body(question: str, answer: str, attachments: Words | None) -> bytes:
    links = attachments if attachments is None else inputs.texts("attachments", attachments, least=0)
    return inputs.json_body(
        {
            "question": inputs.text("question", question),
            "answer": inputs.text("answer", answer),
            "attachments": None if links is None else [inputs.url("attachments", link) for link in links],
        }
    )
