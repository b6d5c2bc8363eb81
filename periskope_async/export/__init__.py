"""Writes whole listings into files that one can trust: everything, once, even after a crash in mid-run."""

from periskope_async.export.manifest import Manifest, SourceResult, UpdateResult
from periskope_async.export.parts import PartsManifest, sum_up
from periskope_async.export.plan import Converted, ExportPlan, ExportResult, Fetched, IfExists
from periskope_async.export.runner import export, export_chats, run_plan

__all__ = [
    "Converted",
    "ExportPlan",
    "ExportResult",
    "Fetched",
    "IfExists",
    "Manifest",
    "PartsManifest",
    "SourceResult",
    "UpdateResult",
    "export",
    "export_chats",
    "run_plan",
    "sum_up",
]
