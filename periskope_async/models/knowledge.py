"""The knowledge base of the AI agent: questions with answers, and documents in chunks.

Source: the types of ``@periskope/periskope-client``.
"""

from typing import Any

from periskope_async.models.part import Part
from periskope_async.models.times import FlexTime
from periskope_async.models.unset import UNSET, Maybe

__all__ = ["DocumentResult", "FaqReceipt", "KnowledgeBaseItem", "KnowledgeBaseMetadata"]


class KnowledgeBaseMetadata(Part, frozen=True, kw_only=True, rename="camel"):
    """The file of a chunk."""

    file_name: Maybe[str] = UNSET
    file_path: Maybe[str] = UNSET
    token_count: Maybe[int] = UNSET


class KnowledgeBaseItem(Part, frozen=True, kw_only=True):
    """A question with its answer, or one chunk of a document. The hash uses ``context_id`` alone."""

    context_id: str
    answer: Maybe[str] = UNSET
    attachments: Any = UNSET
    avg_rating: Maybe[float] = UNSET
    created_at: Maybe[FlexTime] = UNSET
    """The wire has no offset here; it is read as UTC."""
    document_id: Maybe[str] = UNSET
    embedding: Any = UNSET
    """As sent: a text with a list of numbers; the documents say the list itself."""
    metadata: Maybe[KnowledgeBaseMetadata] = UNSET
    org_id: Maybe[str] = UNSET
    question: Maybe[str] = UNSET
    tags: Any = UNSET
    type: Maybe[str] = UNSET
    """``faq``, ``document``, or a word not met yet."""

    def __hash__(self) -> int:
        return hash(self.context_id)


class DocumentResult(Part, frozen=True, kw_only=True):
    """The outcome of adding a document to the knowledge base."""

    chunks_count: Maybe[int] = UNSET
    document_id: Maybe[str] = UNSET
    """Only if the server accepted it."""
    file_name: Maybe[str] = UNSET
    file_path: Maybe[str] = UNSET
    reason: Maybe[str] = UNSET
    status: Maybe[str] = UNSET


class FaqReceipt(Part, frozen=True, kw_only=True):
    """The server's answer to a new question."""

    context_id: str
