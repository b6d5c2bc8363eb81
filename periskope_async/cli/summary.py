"""Says in a few lines what came of an export."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from periskope_async.cli.console import SIGNS, say
from periskope_async.cli.existing import shown_path
from periskope_async.cli.wording import amount

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from periskope_async.export import ExportResult
    from periskope_async.paging.report import WalkReport

__all__ = ["say_walk", "summarise", "telling_what_is_kept"]

# Less would be shown as 0.0.
_SHOWN_SECONDS = 0.05


def summarise(result: ExportResult, what: str) -> None:
    """Say what came, and why it may not be all."""
    manifest = result.manifest
    sign = SIGNS[manifest.state]
    say(sign, f"{amount(result.rows, what)}, {result.bytes / 1e6:,.1f} MB", path=shown_path(result.path))
    if (update := manifest.update) is not None:
        say(None, f"{update.added:,} new, {update.replaced:,} written anew, {update.gone:,} gone since the last time")
    if result.resumed_rows:
        say(None, f"{result.resumed_rows:,} of them an earlier run had fetched", style="dim")
    for name, source in manifest.sources.items():
        if source.error is not None:
            say("✗", f"{name}: {source.error}; run the same command again to fetch the rest")
        elif source.report is not None:
            say_walk(source.report, f"{name}: {amount(source.rows, what)}, " if name else "")
    if manifest.half_emojis:
        say(None, f"the server cut {amount(manifest.half_emojis, 'texts')} inside an emoji", style="dim")


def say_walk(report: WalkReport, head: str = "") -> None:
    """Say what a walk cost, and whether it met every row."""
    waited = f"their waits for the limit sum up to {report.seconds_waited:.1f} s; "
    say(
        None,
        f"{head}{amount(report.requests, 'requests')} in {report.seconds:.1f} s; "
        f"{waited if report.seconds_waited >= _SHOWN_SECONDS else ''}{report.why}",
        style="dim",
    )


@asynccontextmanager
async def telling_what_is_kept(kept: Callable[[], str], *, is_quiet: bool) -> AsyncGenerator[None]:
    """Say what a signal leaves of an export. ``kept`` gives it, or nothing."""
    try:
        yield
    except (asyncio.CancelledError, KeyboardInterrupt):
        if not is_quiet and (said := kept()):
            say(None, f"kept: {said}; the same command goes on from there")
        raise
