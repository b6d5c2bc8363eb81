"""Whole listings into files that one can trust: everything, once, also after a crash in mid-run."""

from periskope_async.export.manifest import Manifest, SourceResult
from periskope_async.export.parts import PartsManifest, sum_up
from periskope_async.export.plan import Converted, ExportPlan, ExportResult, Fetched
from periskope_async.export.runner import export, export_chats, run_plan

__all__ = [
    "Converted",
    "ExportPlan",
    "ExportResult",
    "Fetched",
    "Manifest",
    "PartsManifest",
    "SourceResult",
    "export",
    "export_chats",
    "run_plan",
    "sum_up",
]
