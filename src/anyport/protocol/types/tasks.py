"""Tasks as 2025-11-25 has them (2025-11-25, basic utilities, "Tasks"); later revisions have an extension instead.

The result of ``tasks/result`` has no type here: it is the result that the request would have had without a task.
"""

from typing import Final, Literal, TypeAlias

from msgspec import Raw, field

from anyport.protocol.types.messages import Cursor, Meta, RequestParams, Result, WireStruct

TaskStatus: TypeAlias = Literal["working", "input_required", "completed", "failed", "cancelled"]
"""Where a task stands; the last three are final."""

META_RELATED_TASK: Final = "io.modelcontextprotocol/related-task"
"""Key of ``_meta`` that ties a message to a task; its value is a `RelatedTaskMetadata`."""

META_IMMEDIATE_RESPONSE: Final = "io.modelcontextprotocol/model-immediate-response"
"""Key of ``_meta`` of a `CreateTaskResult`: text for the model to go on with."""


class TaskMetadata(WireStruct, kw_only=True, gc=False):
    """The wish to run a request as a task.

    Attributes:
        ttl: Milliseconds to keep the task from its creation on.
    """

    ttl: int | None = None


class RelatedTaskMetadata(WireStruct, kw_only=True, gc=False):
    """Which task a message belongs to.

    Attributes:
        task_id: Id of the task.
    """

    task_id: str


class TaskAugmentedRequestParams(RequestParams, kw_only=True):
    """Parameters of a request that may become a task.

    Attributes:
        task: 2025-11-25 only: given, the answer is a `CreateTaskResult`.
    """

    task: TaskMetadata | None = None


class Task(WireStruct, kw_only=True):
    """The state of a task.

    Attributes:
        task_id: Id of the task.
        status: Where it stands.
        created_at: ISO 8601 time.
        last_updated_at: ISO 8601 time.
        ttl: Milliseconds for which it is kept from its creation on; ``None`` for ever, and written as ``null``.
        status_message: The state in words.
        poll_interval: Milliseconds to wait between two looks.
    """

    task_id: str
    status: TaskStatus
    created_at: str
    last_updated_at: str
    ttl: int | None
    status_message: str | None = None
    poll_interval: int | None = None


class CreateTaskResult(Result, kw_only=True):
    """The answer to a request that became a task.

    Attributes:
        task: Its first state.
    """

    task: Task


class TaskRequestParams(RequestParams, kw_only=True):
    """Parameters of ``tasks/get``, ``tasks/result`` and ``tasks/cancel``.

    Attributes:
        task_id: Id of the task.
    """

    task_id: str


class GetTaskResult(Task, kw_only=True):
    """Result of ``tasks/get``: the task itself.

    Attributes:
        meta: ``_meta``. Encoded JSON is accepted for sending.
    """

    meta: Meta | Raw | None = field(name="_meta", default=None)


class CancelTaskResult(Task, kw_only=True):
    """Result of ``tasks/cancel``: the task itself.

    Attributes:
        meta: ``_meta``. Encoded JSON is accepted for sending.
    """

    meta: Meta | Raw | None = field(name="_meta", default=None)


class TaskStatusNotificationParams(Task, kw_only=True):
    """Parameters of ``notifications/tasks/status``: the task itself.

    Attributes:
        meta: ``_meta``. Encoded JSON is accepted for sending.
    """

    meta: Meta | Raw | None = field(name="_meta", default=None)


class ListTasksResult(Result, kw_only=True):
    """Result of ``tasks/list``.

    Attributes:
        tasks: One page of them.
        next_cursor: Where the next page begins; ``None`` on the last page.
    """

    tasks: list[Task]
    next_cursor: Cursor | None = None
