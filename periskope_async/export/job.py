"""The job of an export: the plan, and what was found at OUT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from periskope_async.export.checkpoint import Begun
    from periskope_async.export.formats import Format
    from periskope_async.export.manifest import Manifest
    from periskope_async.export.older import Older
    from periskope_async.export.plan import ExportPlan
    from periskope_async.export.walking import SourceWalk
    from periskope_async.tables.columns import Table

__all__ = ["Job"]


class Job(Struct, frozen=True):
    """The job of an export, once the file at OUT is known."""

    plan: ExportPlan
    form: Format
    table: Table
    older: Older | None
    """The export to update."""
    there: Manifest | None
    """The manifest of the export at OUT, to be updated or replaced; None if anything may be replaced."""
    walks: dict[str, SourceWalk]
    begun: Begun
    warning: str = ""
    """What becomes of an earlier run that is not simply gone on with."""
