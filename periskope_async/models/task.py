"""A task (https://docs.periskope.app/api-reference/objects/the-task-object)."""

from typing import Any

from periskope_async.models.part import Part
from periskope_async.models.times import FlexTime, Time
from periskope_async.models.unset import UNSET, Maybe

__all__ = ["CompletedMetadata", "Task", "TaskAssociation"]


class TaskAssociation(Part, frozen=True, kw_only=True):
    """The subject of a task; its type decides the ids here."""

    chat_id: Maybe[str] = UNSET
    message_id: Maybe[str] = UNSET
    ticket_id: Maybe[str] = UNSET
    type: Maybe[str] = UNSET


class CompletedMetadata(Part, frozen=True, kw_only=True):
    """The time and the author of a task's completion."""

    completed_at: Maybe[FlexTime] = UNSET
    completed_by: Maybe[str] = UNSET


class Task(Part, frozen=True, kw_only=True):
    """Something to be done. The hash uses ``task_id`` alone."""

    task_id: str
    """``task-`` and 16 letters."""
    assignee: Maybe[str] = UNSET
    associated_object_metadata: Maybe[dict[str, Any]] = UNSET
    """Known only from the row type of ``@periskope/types``; the documents have ``association`` instead."""
    association: Maybe[TaskAssociation] = UNSET
    chat_id: Maybe[str] = UNSET
    completed_metadata: Maybe[CompletedMetadata] = UNSET
    created_at: Maybe[Time] = UNSET
    created_by: Maybe[str] = UNSET
    due_date: Maybe[FlexTime] = UNSET
    last_updated_at: Maybe[Time] = UNSET
    last_updated_by: Maybe[str] = UNSET
    notes: Maybe[str] = UNSET
    org_id: Maybe[str] = UNSET
    priority: Maybe[int] = UNSET
    """1, 2 or 3."""
    remind_at: Maybe[FlexTime] = UNSET
    reminder_setting: Any = UNSET
    status: Maybe[str] = UNSET
    """``open``, ``inprogress``, ``closed``, or a word not met yet."""
    title: Maybe[str] = UNSET
    type: Maybe[str] = UNSET
    """``todo``, ``chat``, ``message``, ``ticket``, or a word not met yet."""

    def __hash__(self) -> int:
        return hash(self.task_id)
