"""Tasks of the organisation. No document shows how to delete one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from periskope_async.client.base import BaseClient
from periskope_async.client.lists import TASKS
from periskope_async.decoding.objects import one_of
from periskope_async.errors import ConfigError
from periskope_async.models.task import Task
from periskope_async.wire import inputs
from periskope_async.wire.request import encoded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Unpack

    from periskope_async.client.base import WalkParams
    from periskope_async.models.page import ListPage
    from periskope_async.paging.pager import Pager
    from periskope_async.wire.inputs import Moment

__all__ = ["TaskMethods", "TaskStatus", "TaskType"]

TaskType: TypeAlias = Literal["todo", "chat", "message", "ticket"]
TaskStatus: TypeAlias = Literal["open", "inprogress", "closed"]

_TYPES: tuple[TaskType, ...] = get_args(TaskType)
_STATUSES: tuple[TaskStatus, ...] = get_args(TaskStatus)
_MOST_PRIORITY = 3
_MOST_TITLE = 500


class TaskMethods(BaseClient):
    """The client's methods for tasks (https://docs.periskope.app/api-reference/tasks/get-tasks)."""

    def iter_tasks(self, **walk: Unpack[WalkParams]) -> Pager[Task]:
        """Walk over all tasks. Their order is not documented.

        Options and raised errors are as in :meth:`iter_chats`.
        """
        return self._walk(TASKS.query(), **walk)

    async def list_tasks(self, *, offset: int = 0, limit: int = 1000) -> ListPage[Task]:
        """Read one page of tasks. Raises as :meth:`list_chats` does."""
        return await self._page(TASKS.query(), offset=offset, limit=limit)

    async def get_task(self, task_id: str) -> Task:
        """Read one task. Raises NotFoundError if there is none, and the errors of :meth:`list_chats`.

        Source: https://docs.periskope.app/api-reference/tasks/get-task-by-id.
        """
        return await self._read(_target(task_id), one_of(Task))

    async def create_task(
        self,
        title: str,
        *,
        type: TaskType | None = None,  # noqa: A002 - the API's own word, and keyword-only
        association: Mapping[str, str] | None = None,
        status: TaskStatus | None = None,
        priority: int | None = None,
        assignee: str | None = None,
        created_by: str | None = None,
        due_date: Moment | None = None,
        remind_at: Moment | None = None,
        notes: str | None = None,
    ) -> Task:
        """Make a task, and get it. ``title`` has 1 to 500 characters, ``priority`` is 1, 2 or 3.

        ``association`` names its subject, such as ``{"chat_id": …}``; a ``todo``, the default type, has none.
        ``assignee`` and ``created_by`` are members' e-mails.

        Source: https://docs.periskope.app/api-reference/tasks/create-task. Waits for the limit. Raises ConfigError,
        ValidationError, other APIErrors, TransportError if nothing was sent, and OutcomeUnknown.
        """
        if association is not None and type in {None, "todo"}:
            raise ConfigError('a todo has no association; give type="chat", "message" or "ticket"', parameter="type")
        body = inputs.json_body(
            {
                "title": inputs.text("title", title, most=_MOST_TITLE),
                "type": inputs.one_of("type", type, _TYPES),
                "association": None if association is None else inputs.text_map("association", association),
                "status": inputs.one_of("status", status, _STATUSES),
                "priority": inputs.priority(priority, most=_MOST_PRIORITY),
                "assignee": None if assignee is None else inputs.email("assignee", assignee),
                "created_by": None if created_by is None else inputs.email("created_by", created_by),
                "due_date": inputs.optional_point("due_date", due_date),
                "remind_at": inputs.optional_point("remind_at", remind_at),
                "notes": inputs.optional_text("notes", notes),
            }
        )
        return await self._write("POST", "/tasks/create", one_of(Task), body=body, look_at="iter_tasks")

    async def update_task(
        self,
        task_id: str,
        *,
        title: str | None = None,
        status: TaskStatus | None = None,
        priority: int | None = None,
        assignee: str | None = None,
        last_updated_by: str | None = None,
        due_date: Moment | None = None,
        remind_at: Moment | None = None,
        notes: str | None = None,
    ) -> Task:
        """Change a task, and get it as it is now. None keeps a value. Closing it fills ``completed_metadata``.

        "" clears ``assignee``, ``due_date``, ``remind_at`` and ``notes``, as in :meth:`update_ticket`; no document
        states what clears. ``last_updated_by`` is a member's e-mail.

        Source: https://docs.periskope.app/api-reference/tasks/update-task. Raises NotFoundError if there is none, and
        the errors of :meth:`create_task`.
        """
        changes = {
            "title": None if title is None else inputs.text("title", title, most=_MOST_TITLE),
            "status": inputs.one_of("status", status, _STATUSES),
            "priority": inputs.priority(priority, most=_MOST_PRIORITY),
            "assignee": inputs.new_email("assignee", assignee),
            "due_date": inputs.new_point("due_date", due_date),
            "remind_at": inputs.new_point("remind_at", remind_at),
            "notes": inputs.optional_text("notes", notes),
        }
        inputs.at_least_one(**changes)
        by = None if last_updated_by is None else inputs.email("last_updated_by", last_updated_by)
        body = inputs.json_body({**changes, "last_updated_by": by})
        return await self._write("PATCH", _target(task_id), one_of(Task), body=body, look_at="get_task")


def _target(task_id: str) -> str:
    return f"/tasks/{encoded(inputs.path_id('task_id', task_id))}"
