"""Whole listings into files: each row as the server wrote it, and no partial file that passes for a whole one."""

from periskope_async.export.runner import ExportResult, export_chats

__all__ = ["ExportResult", "export_chats"]
