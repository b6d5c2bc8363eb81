"""The proofs in an answer's count: the server has forgotten some of our requests, or still counts them all (pure).

Some requests were surely counted before this one. The server counts them all, less the forgotten ones. A lower count
proves: it has forgotten the oldest of them. This holds for fixed windows, sliding logs and token buckets alike.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from periskope_async.limits.failures import FailedRequests
from periskope_async.limits.hints import Trust
from periskope_async.limits.resets import ResetWatch
from periskope_async.limits.stamp import DateStamp

if TYPE_CHECKING:
    from periskope_async.limits.headers import LimitHeaders
    from periskope_async.limits.tokens import Token, Tokens
    from periskope_async.limits.told import Told
    from periskope_async.limits.window import WindowEstimate

__all__ = ["SLACK_SHARE", "ServerCount"]

SLACK_SHARE = 0.02
"""A share of a window: a request sent so shortly after another may have been counted before it."""
_FAILURES_REMEMBERED = 256
# A share of a window: slower answers are late because the server works on them.
_QUICK_SHARE = 0.12
# A share of a bucket's time to refill: less is too short for it, even with the length a little off.
_SURELY = 0.9
# Date has seldom ticked on so shortly after the counting.
_SELDOM = 0.3


class ServerCount:
    """The server's count against our own: it brings tokens back, and teaches the window's length."""

    def __init__(self, tokens: Tokens, window: WindowEstimate, told: Told) -> None:
        self.failed = FailedRequests.UNSEEN
        self._tokens = tokens
        self._window = window
        self._told = told
        self._stamp = DateStamp()
        self._taken_back: deque[float] = deque(maxlen=_FAILURES_REMEMBERED)
        """When the failed requests were answered, if the server counts them no more."""
        self.is_fixed = False
        """Whether the server was seen to forget at once what a log or a bucket still counts."""
        self._resets = ResetWatch()
        self._latest_end = math.inf
        """Seconds from the opening of a window to the next one's, where that was seen last."""

    def book_failure(self, token: Token) -> None:
        """Take a request answered with an error."""
        if self.failed is FailedRequests.UNSEEN:
            self.failed = FailedRequests.OPEN
        elif self.failed is FailedRequests.NOT_COUNTED:
            self._taken_back.append(token.ended_at)
            self._tokens.give_back(token)

    def taken_back_since(self, moment: float) -> int:
        """Count the failed requests possibly still in the count of a request sent at a moment."""
        return sum(ended_at >= moment for ended_at in self._taken_back)

    def book_refusal(self) -> None:
        """Take a refusal: requests thought forgotten or not counted may have been counted."""
        self.is_fixed = False
        self._resets, self._latest_end = ResetWatch(), math.inf
        if self.failed is FailedRequests.NOT_COUNTED:
            self.failed = FailedRequests.COUNTED

    def watch_clock(self, token: Token, headers: LimitHeaders, *, slack: float) -> None:
        """Find out whether the times in the headers are of one clock and one moment.

        ``slack`` is the one of :meth:`~periskope_async.limits.stamp.DateStamp.observe`.
        """
        if headers.resets_in is not None:
            late_by = 0 if headers.window is not None else _late_by(token)
            self._window.observe_reset(
                headers.resets_in, token.ended_at, rounded_by=headers.rounded_by, late_by=late_by
            )
        if headers.window is not None:
            self._window.trust_hints(Trust.TOLD)
        elif headers.server_time is not None:
            self._stamp.observe(
                headers.server_time,
                sent_at=token.sent_at,
                counted_by=token.upper,
                received_at=token.ended_at,
                slack=slack,
            )
            self._window.trust_hints(Trust.ONE_CLOCK if self._stamp.is_of_count else Trust.NOTHING)

    def compare(self, token: Token, headers: LimitHeaders, *, used: int, slack: float, is_alone: bool) -> None:
        """Compare the server's count with its min count, had it forgotten nothing.

        ``is_alone`` tells that nobody else was seen to use the key.
        """
        opened = self._told.opened
        # A later number may have been sent first.
        is_later = opened is not None and token.number > opened.number and token.upper > opened.upper
        before = self._tokens.counted_before(token.sent_at)
        is_new = used == 1 and not self._may_be_taken_back(token)
        if opened is not None and is_later and before:
            if is_new:
                self._learn_end(token, opened, before, limit=used + (headers.remaining or 0))
            elif used > before and is_alone and not self._window.is_settled:
                self._learn_lasting(token, used, since_opened=token.sent_at - opened.upper)
        # Requests sent together with it would hide the missing ones.
        if self.failed is FailedRequests.OPEN and used > 1 and self._possibly_counted_by(token) == before + 1:
            failed = self._tokens.failed_by(token.sent_at)
            self.failed = self.failed.after(failed=failed, missing=before - used + 1)
        surely = self._tokens.counted_before(token.sent_at - slack) if slack else before
        if surely >= used and token.ended_at - token.sent_at < _QUICK_SHARE * self._window.seconds:
            # Those without an answer by now may still wait to be counted.
            surely = self._tokens.ended_before(token.sent_at - slack)
        if surely >= used:
            # A request sent together with it may have been counted before it, in the old window.
            self._tokens.forget(surely - used + 1, token.upper)
            if opened is not None and is_later:
                # It is the oldest, and forgotten first.
                self._told.opened = None
                self._learn_forgetting(token, opened, is_new=is_new)
        if is_new and (opened is None or is_later):
            self._told.opened = token
            self._learn_hint(token, headers)
        if not self._window.is_proven and self._resets.observe(headers, used):
            self._window.lasts_at_most(max(self._latest_end, self._resets.longest_bucket))

    def _may_be_taken_back(self, token: Token) -> bool:
        """Whether a used window may look new, since failures in it were taken back."""
        if self.failed is FailedRequests.UNSEEN:
            return False
        # COUNTED is not proof enough: others may have spent as much meanwhile.
        return self.failed is FailedRequests.NOT_COUNTED or self._tokens.has_failed_by_now(token.sent_at)

    def _learn_end(self, token: Token, opened: Token, before: int, *, limit: int) -> None:
        """Learn the end of a window from the first request of the next one."""
        # An evenly refilled bucket is full again sooner if less was taken from it.
        since_opened = min(before, token.number - opened.number)
        after = self._latest_end = token.upper - opened.sent_at
        proven = self._window.seconds if self._window.is_proven else None
        at_most = min(after * max(1.0, limit / since_opened), max(after, self._resets.longest_bucket))
        self._window.ended(after, at_most=at_most)
        if self._window.seconds == proven and not self._may_have_refilled(token, limit):
            self.is_fixed = True

    def _learn_forgetting(self, token: Token, opened: Token, *, is_new: bool) -> None:
        """Learn that a log has forgotten its oldest request, whatever its reset says."""
        # A bucket that is slowly refilled has forgotten part of it long before.
        if self._resets.longest_bucket < math.inf and not is_new and not self._may_be_taken_back(token):
            after = token.upper - opened.sent_at
            self._window.ended(after, at_most=max(after, self._resets.longest_bucket))

    def _may_have_refilled(self, token: Token, limit: int) -> bool:
        """Whether an evenly refilled bucket can be full again when it counts ``token``."""
        since = token.upper
        for taken, other in enumerate(self._tokens.latest_before(token.sent_at), 1):
            since = min(since, other.sent_at)
            if token.upper - since < _SURELY * taken * self._window.seconds / limit:
                return False
        return True

    def _learn_hint(self, token: Token, headers: LimitHeaders) -> None:
        """Learn the window's length by the headers from its first request."""
        ends_by = -math.inf if headers.resets_in is None else token.ended_at + headers.resets_in
        if headers.window is not None:
            self._window.hint(headers.window, late_by=0, ends_by=ends_by)
        elif headers.resets_in is not None:
            length = math.floor(headers.resets_in - (headers.rounded_by - 1))
            self._window.hint(length, late_by=_late_by(token), ends_by=ends_by)

    def _learn_lasting(self, token: Token, used: int, *, since_opened: float) -> None:
        """Learn of a window still open, if an answer counts all requests possibly counted with it."""
        # Requests sent together with it may have been counted before it in a new window, too.
        if self._window.is_news(since_opened) and used >= self._possibly_counted_by(token):
            self._window.lasted(since_opened)

    def _possibly_counted_by(self, token: Token) -> int:
        """Count the requests that the server may have counted when it counted ``token``."""
        return self._tokens.sent_by(token.sent_at + self._window.seconds * SLACK_SHARE)


def _late_by(token: Token) -> int:
    """Give the max seconds from the counting to an answer's ``Date``."""
    return max(0, math.ceil(token.ended_at - token.sent_at - _SELDOM))
