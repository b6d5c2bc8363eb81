"""The tree of errors: all errors raised on purpose by this package.

::

    PeriskopeError
    ├── ConfigError (also ValueError)     an argument or setting is wrong; nothing was sent
    ├── ClosedError                       the client was closed, before or while it was used
    ├── WrongLoopError                    used in a second event loop, or after a fork
    ├── TransportError                    no whole answer arrived
    │   ├── ConnectError                  refused, unreachable, reset, no TLS
    │   ├── TimeoutError_ (also TimeoutError)  connecting, headers, silence, or the whole call took too long
    │   └── BodyError                     the answer was cut off, cannot be decompressed, or is too large
    ├── APIError                          the server answered, and said no
    │   ├── AuthenticationError           401: a bad key, or a phone outside its scope
    │   │   └── StreamRefusedError        the server ended a stream of live events, and would refuse the next one
    │   ├── PermissionDeniedError         403
    │   ├── NotFoundError                 404 of the API; a page from elsewhere is a plain APIError
    │   ├── ValidationError               422: ``fields`` says which parameter and why
    │   ├── RateLimitError                429
    │   │   └── WaitTooLong               nothing was sent: the limit's wait would be longer than allowed
    │   └── ServerError                   5xx
    ├── OutcomeUnknown                    a write was sent, and no answer says whether it was carried out
    ├── SendError                         a message that was queued cannot be sent
    ├── PartialFailure                    a call succeeded for some of what it names, and not for the rest
    ├── DecodeError                       an answer that is not what the API documents; ``path`` says where
    ├── PaginationError                   the server's pages contradict what was asked for
    ├── SignatureError                    a webhook that Periskope has not signed, or not with these keys
    ├── StreamOverflowError               live events came faster than they were taken, and none was to be dropped
    ├── ExportError                       a file could not be written
    │   └── ExportBusyError               another run writes it just now
    └── MirrorError                       a mirror's database could not be written, or is another one's

The text is one line for people, of up to 900 characters. Every terminal can show it, whatever a server sent.
Everything for programs is an attribute. ``meta`` is there on every error after an answer, so the trace id for
Periskope's support is never lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from periskope_async.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from periskope_async.meta import ResponseMeta

__all__ = [
    "APIError",
    "AuthenticationError",
    "BodyError",
    "ClosedError",
    "ConfigError",
    "ConnectError",
    "DecodeError",
    "ExportBusyError",
    "ExportError",
    "MirrorError",
    "NotFoundError",
    "OutcomeUnknown",
    "PaginationError",
    "PartialFailure",
    "PeriskopeError",
    "PermissionDeniedError",
    "RateLimitError",
    "SendError",
    "ServerError",
    "SignatureError",
    "StreamOverflowError",
    "StreamRefusedError",
    "TimeoutError_",
    "TransportError",
    "ValidationError",
    "WaitTooLong",
    "WrongLoopError",
    "error_for_status",
]


class PeriskopeError(Exception):
    """The root of all errors of this package."""

    meta: ResponseMeta | None
    """The facts of the answer behind the error; None if there was no answer."""

    def __init__(self, message: str, *, meta: ResponseMeta | None = None) -> None:
        # With what a log line says beside it, it is less than 2 kB.
        message = one_line(message, limit=900)
        super().__init__(message)
        self.message = message
        self.meta = meta

    @property
    def trace_id(self) -> str | None:
        """The answer's ``x-periskope-trace-id``; None if there was none."""
        return self.meta.trace_id if self.meta is not None else None

    @property
    def org_id(self) -> str | None:
        """The organisation of the key, by the server's word; None if it did not say."""
        return self.meta.org_id if self.meta is not None else None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by state, since the constructors take keywords: workers send errors between processes."""
        return _restore, (type(self), self.args, self.__dict__)


def _restore(kind: type[PeriskopeError], args: tuple[Any, ...], state: dict[str, Any]) -> PeriskopeError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigError(PeriskopeError, ValueError):
    """An argument, setting or environment variable is wrong. Raised before anything is sent."""

    def __init__(self, message: str, *, parameter: str | None = None) -> None:
        super().__init__(message)
        self.parameter = parameter


class ClosedError(PeriskopeError):
    """The client was closed; make a new one. Waiting and running calls get this too when it closes."""


class WrongLoopError(PeriskopeError, RuntimeError):
    """The client belongs to another event loop or to the parent process; make one in the loop that uses it."""


class TransportError(PeriskopeError):
    """No whole answer arrived. Reading calls were retried before this was raised."""

    def __init__(
        self, message: str, *, meta: ResponseMeta | None = None, attempts: int = 1, retryable: bool = True
    ) -> None:
        super().__init__(message, meta=meta)
        self.attempts = attempts
        """Requests of the call until it gave up."""
        self.retryable = retryable
        """Whether the same request may fare better a little later."""


class ConnectError(TransportError):
    """The connection failed, or broke before the answer's headers."""


class TimeoutError_(TransportError, TimeoutError):  # noqa: N801, N818 - TimeoutError alone would shadow the builtin
    """Connecting, the answer's headers, a silence between bytes, or the whole call took too long."""

    def __init__(
        self,
        message: str,
        *,
        phase: str,
        meta: ResponseMeta | None = None,
        attempts: int = 1,
        retryable: bool = True,
    ) -> None:
        super().__init__(message, meta=meta, attempts=attempts, retryable=retryable)
        self.phase = phase
        """``connect``, ``read`` (headers and silence) or ``total``."""


class BodyError(TransportError):
    """The answer's body was cut off, could not be decompressed, or was larger than allowed."""


class APIError(PeriskopeError):
    """The server answered with an error, or with a redirect that is not followed."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        fields: Mapping[str, str] | None = None,
        body: bytes = b"",
        meta: ResponseMeta | None = None,
        is_detour: bool = False,
    ) -> None:
        super().__init__(message, meta=meta)
        self.is_detour = is_detour
        """Whether it is a redirect elsewhere for the time being, as a captive portal's is."""
        self.status = status
        """HTTP status code."""
        self.code = code
        """The server's own word, such as ``VALIDATION_ERROR``; None if the body had none."""
        self.fields: Mapping[str, str] = dict(fields or {})
        """The wrong parameters, each with the server's reason on one line of a few hundred characters."""
        self.body = body
        """The answer's body as it came."""

    def is_about(self, parameter: str) -> bool:
        """Whether it names a parameter, in lower case."""
        return are_about(parameter, self.fields)


def are_about(parameter: str, fields: Iterable[str]) -> bool:
    """Whether wrong fields name a parameter: plainly, or as the newest answers do, with its place (``query.limit``)."""
    return any(name.lower().rpartition(".")[2] == parameter for name in fields)


class AuthenticationError(APIError):
    """401: the key is not valid, or the phone is outside its scope."""


class StreamRefusedError(AuthenticationError):
    """The server refused a stream of live events, or ended it: wrong key, or a phone outside its scope.

    ``status`` is that of the upgrade to a websocket: 400, 401, 403, or 101 if the server changed its mind later.
    """


class PermissionDeniedError(APIError):
    """403: the key is valid and may not do this."""


class NotFoundError(APIError):
    """404 of the API: no such chat. Or an empty success in place of a message, which may come later.

    A 404 with a page or a plain text, as of a gateway or for a base URL without its version, is a plain APIError.
    """


class ValidationError(APIError):
    """422: the server rejected a parameter; ``fields`` says which and why."""


class RateLimitError(APIError):
    """429: more requests than the limit allows, after every permitted retry."""


class WaitTooLong(RateLimitError):  # noqa: N818 - it says what happened; the base carries the Error
    """The wait for the limit would be longer than ``max_wait``; this request was not sent."""

    def __init__(
        self,
        message: str,
        *,
        needed: float,
        limit: int | None,
        remaining: int | None,
        resets_in: float | None,
        meta: ResponseMeta | None = None,
    ) -> None:
        super().__init__(message, status=429, code="WAIT_TOO_LONG", meta=meta)
        self.needed = needed
        """Seconds to wait, by the best estimate."""
        self.limit = limit
        self.remaining = remaining
        self.resets_in = resets_in


class ServerError(APIError):
    """5xx: the server, or a gateway before it, failed; after every permitted retry."""


class OutcomeUnknown(PeriskopeError):  # noqa: N818 - it says what is known; it need not be a failure
    """A write was sent, and no answer says whether it was carried out. It is not sent again.

    ``__cause__`` is the failure: a TransportError, a ServerError, a DecodeError, or a ClosedError. This error is none
    of them itself, so a loop of retries on those cannot send the write twice.
    """

    def __init__(
        self, message: str, *, method: str, target: str, look_at: str, meta: ResponseMeta | None = None
    ) -> None:
        super().__init__(message, meta=meta)
        self.method = method
        self.target = target
        """Path below the base URL."""
        self.look_at = look_at
        """How to see whether it was carried out, such as ``get_chat``."""


class PartialFailure(PeriskopeError):  # noqa: N818 - as above
    """A call succeeded for some of its items, and not for the rest. Only ``raise_for_failures()`` raises this."""

    def __init__(self, total: int, failed: Mapping[str, str]) -> None:
        first = "; ".join(f"{name}: {why}" for name, why in list(failed.items())[:10])
        more = f"; and {len(failed) - 10} more" if len(failed) > 10 else ""  # noqa: PLR2004 - what one line has room for
        super().__init__(f"{len(failed)} of {total} failed: {first}{more}")
        self.failed: Mapping[str, str] = dict(failed)
        """The reasons by participant or e-mail, in the server's words."""


class SendError(PeriskopeError):
    """A queued message cannot be sent; only waiting for it raises this."""

    def __init__(self, message: str, *, unique_id: str | None, reason: str | None) -> None:
        super().__init__(message)
        self.unique_id = unique_id
        self.reason = reason
        """In the server's words."""


class DecodeError(PeriskopeError):
    """A successful answer differs from the API's documents. A gateway's answer was retried before this."""

    def __init__(
        self,
        message: str,
        *,
        path: str = "$",
        body_start: str = "",
        meta: ResponseMeta | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(message, meta=meta)
        self.retryable = retryable
        """Whether somebody other than the server seems to have answered: its own answer may come next."""
        self.path = path
        """The position in the JSON, such as ``$.chats[3].chat_id``; ``$`` is the whole."""
        self.body_start = body_start
        """The first characters of the body."""


class PaginationError(PeriskopeError):
    """The pages contradict the request, so going on would lose rows or never end."""


class SignatureError(PeriskopeError):
    """A webhook not to be trusted. Neither the keys nor the expected signature are in here."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason
        """``missing``, ``malformed``, ``wrong``, ``empty_body``, or ``old`` (its time is not now)."""


class StreamOverflowError(PeriskopeError):
    """Live events came faster than they were taken, with ``on_overflow="raise"``."""


class ExportError(PeriskopeError):
    """An export could not be written."""


class ExportBusyError(ExportError):
    """Another run writes the same export just now."""


class MirrorError(PeriskopeError):
    """A mirror's database could not be opened or written, is in use by another mirror, or holds other rows."""


_BY_STATUS: dict[int, type[APIError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    422: ValidationError,
    429: RateLimitError,
}


def error_for_status(status: int) -> type[APIError]:
    """Give the most exact class for an HTTP status, by default APIError."""
    return _BY_STATUS.get(status) or (ServerError if status >= 500 else APIError)  # noqa: PLR2004 - HTTP's own
