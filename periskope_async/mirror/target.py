"""The target of a mirror, checked and named without its password (pure, but for a look at the disk)."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from periskope_async.secret import Secret

__all__ = ["UNREADABLE", "fault_of", "is_url", "name_of"]

_SCHEMES = ("postgresql://", "postgres://")
# A mistyped URL, or settings as psql takes them. None of them may become a file with a password in its name.
_NO_FILE = re.compile(r".*://|[a-z][a-z0-9+.-]+:/|postgres[a-z0-9+]*:|.*\bpassword\s*=", re.ASCII | re.IGNORECASE)
_HOST_AND_PORT = re.compile(r"(?:\[[^\]]*\]|[^:\[\]]*)(?::[0-9]*)?", re.ASCII)

UNREADABLE = (
    "the URL of PostgreSQL cannot be read; give it as in postgresql://user:password@host:5432/database, with what is "
    "special in the user and the password percent-encoded"
)


def is_url(target: Secret) -> bool:
    """Whether a target is the URL of a PostgreSQL database."""
    return target.reveal().startswith(_SCHEMES)


def fault_of(target: Secret) -> str:
    """Say what is wrong with a target; empty if nothing is."""
    text = target.reveal()
    known = "give a file such as chats.sqlite or chats.duckdb, or a postgresql:// URL"
    if is_url(target):
        return "" if name_of(target) else UNREADABLE
    if _NO_FILE.match(text):
        return f"the target is no file's name, and names no database; {known}"
    kind = _kind_of(text)
    if not text or kind == stat.S_IFDIR:
        return f"{text!r} names no database; {known}"
    return f"{text!r} is no plain file; {known}" if kind not in {None, stat.S_IFREG} else ""


def _kind_of(path: str) -> int | None:
    """Give the kind of what is there; None if nothing is, or if it cannot be told."""
    try:
        return stat.S_IFMT(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return None


def name_of(url: Secret) -> str:
    """Name a PostgreSQL database without its user and password; empty if the URL cannot be read."""
    try:
        parts = urlsplit(url.reveal())
    except ValueError:
        return ""
    user, _, hosts = parts.netloc.rpartition("@")
    # A slash, "?", "#" or "@" in a password ends it early: what follows would be shown as a host or a path.
    if "@" in f"{user}{parts.path}{parts.query}{parts.fragment}":
        return ""
    if not all(_HOST_AND_PORT.fullmatch(host) for host in hosts.split(",")):
        return ""
    return f"postgresql://{parts.hostname or ''}{parts.path}"
