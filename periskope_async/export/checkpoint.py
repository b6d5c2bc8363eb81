"""The checkpoint of an export: a file of small records. It tells how far the rows beside it can be trusted.

The first record names the export. Every other record is written after its bytes are on the disk, so a process may be
killed at any moment. The bytes behind the last record are cut off, and fetched again.
"""

from datetime import datetime
from typing import TypeAlias

import msgspec
from msgspec import Struct

from periskope_async.decoding.body import UNREAD
from periskope_async.export.compression import Codec
from periskope_async.export.manifest import Manifest
from periskope_async.paging.report import WalkReport

__all__ = [
    "HEAD",
    "VERSION",
    "Again",
    "Begun",
    "Damaged",
    "Ended",
    "Made",
    "PageWritten",
    "Record",
    "line_of",
    "read_records",
]

VERSION = 2
HEAD = b'{"record":"export","version":'
"""The first bytes of a checkpoint of any version."""


class Begun(Struct, frozen=True, kw_only=True, tag="export", tag_field="record"):
    """Names the rows that are exported, and how they are written. A run with other settings cannot go on here."""

    version: int = VERSION
    list: str
    """The list's name, such as ``chats``."""
    walks: dict[str, str]
    """Each walk's name to its first token. The token holds the fingerprint of the walk's query."""
    codec: Codec = ""
    is_repaired: bool = False
    is_tagged: bool = False
    is_merged: bool = False
    base: str = ""
    """The checksum of the updated file; empty if no file is updated."""
    started: datetime
    """When it was begun."""


class PageWritten(Struct, frozen=True, kw_only=True, tag="page", tag_field="record", omit_defaults=True):
    """One page is on the disk."""

    walk: str
    """The walk's name: its source's, and in an update the order as well."""
    rows: int
    """How many lines it takes in the file."""
    dropped: int = 0
    """Rows of it that were in the spool already, and were left out."""
    replaced: int = 0
    """Those of its ``rows`` of which earlier pages have older versions."""
    is_again: bool = False
    """Whether its walk had begun once more from its head."""
    bytes: int
    """How many bytes it takes in the file."""
    token: str
    """Continues the walk behind this page."""
    count: int | None = None
    """The server's count of all rows of the walk."""
    half_emojis: int = 0
    org_id: str | None = None
    """The organisation of the key, as the server said."""
    date: datetime | None = None
    """When the server answered, by its clock."""
    sha256: str = ""
    """SHA-256 of all rows up to the end of this page. The spool fills it in."""


class Again(Struct, frozen=True, kw_only=True, tag="again", tag_field="record"):
    """A walk begins once more, from its head: what was read before a cut may have moved since."""

    walk: str


class Ended(Struct, frozen=True, kw_only=True, tag="end", tag_field="record"):
    """A walk has ended."""

    walk: str
    report: WalkReport


class Made(Struct, frozen=True, kw_only=True, tag="made", tag_field="record"):
    """The new file is whole and on the disk, and takes OUT's place next."""

    manifest: Manifest


Record: TypeAlias = Begun | PageWritten | Again | Ended | Made

_DECODER = msgspec.json.Decoder(Record)
_VERSION = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Damaged(ValueError):  # noqa: N818 - it says what happened
    """A checkpoint is unreadable; the text says why."""


def line_of(record: Record) -> bytes:
    """Give the line of one record."""
    return msgspec.json.encode(record) + b"\n"


def read_records(content: bytes) -> tuple[list[Record], int]:
    """Give the records and their length in bytes. The last line of ``content`` may be torn. Raises Damaged."""
    records: list[Record] = []
    lines = content.split(b"\n")
    end = len(content) - len(lines.pop())
    for number, line in enumerate(lines, start=1):
        try:
            if number == 1:
                _check_version(line)
            records.append(_DECODER.decode(line))
        except Damaged:
            raise
        except UNREAD as error:
            raise Damaged(f"line {number} is damaged ({error})") from error
    if records and not isinstance(records[0], Begun):
        raise Damaged("it does not begin as a checkpoint does")
    return records, end


def _check_version(line: bytes) -> None:
    head = _VERSION.decode(line)
    if (version := bytes(head.get("version", b"none")).decode("utf-8", "replace")) != str(VERSION):
        raise Damaged(f"it is of version {version}, and this package reads version {VERSION}")
