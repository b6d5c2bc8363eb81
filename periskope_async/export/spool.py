"""The spool: pages of rows as they came, on the disk before anything counts on them, and each walk's position.

``OUT.partial`` holds the rows as JSON lines, ``OUT.partial.log`` the checkpoint. All methods block on the disk.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from periskope_async.errors import ExportBusyError, ExportError
from periskope_async.export.checkpoint import (
    HEAD,
    Again,
    Begun,
    Damaged,
    Ended,
    Made,
    PageWritten,
    line_of,
    read_records,
)
from periskope_async.export.files import (
    MOVE_AWAY,
    beside,
    failed,
    not_opened,
    open_private,
    remove,
    sync,
    sync_folder,
    work_folder,
    write_all,
)
from periskope_async.locked_file import close_locked, open_locked, remove_locked

if TYPE_CHECKING:
    from _hashlib import HASH
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from periskope_async.export.checkpoint import Record
    from periskope_async.export.manifest import Manifest
    from periskope_async.paging.report import WalkReport

__all__ = ["Kept", "Spool", "is_same", "log_path", "new_path", "open_spool", "refuse_foreign_spool", "rows_path"]

_START_ANEW = "Nothing was changed. To throw away what it fetched and begin anew, add --restart (restart=True)"


class Kept(Struct):
    """The state of one walk in a spool."""

    token: str
    """Continues its walk."""
    rows: int = 0
    dropped: int = 0
    """Rows that it gave and the spool had already."""
    is_again: bool = False
    """Whether it has begun once more from its head."""
    report: WalkReport | None = None
    """Set once the walk has ended."""


class Spool(Struct):
    """An open spool, locked against others until it is closed."""

    target: Path
    begun: Begun
    kept: dict[str, Kept]
    rows_fd: int
    log_fd: int
    pages: list[PageWritten] = field(default_factory=list[PageWritten])
    size: int = 0
    """Bytes of the rows' file in the checkpoint."""
    digest: HASH = field(default_factory=hashlib.sha256)
    """SHA-256 of these bytes."""
    made: Manifest | None = None
    """Set if the new file was whole already, and only had to take OUT's place."""

    @property
    def rows_path(self) -> Path:
        """The path of the rows."""
        return rows_path(self.target)

    @property
    def rows(self) -> int:
        """How many rows there are, each counted once."""
        return sum(page.rows - page.replaced for page in self.pages)

    @property
    def has_replaced(self) -> bool:
        """Whether there are older versions of some rows."""
        return any(page.replaced for page in self.pages)

    @property
    def org_id(self) -> str | None:
        """The organisation of the rows; None if the server has not named it."""
        return next((page.org_id for page in self.pages if page.org_id), None)

    @property
    def is_resumed(self) -> bool:
        """Whether there is an earlier run to go on with."""
        return bool(self.pages) or self.made is not None or any(kept.report for kept in self.kept.values())

    def append(self, page: PageWritten, blocks: Sequence[bytes]) -> None:
        """Keep one page: first on the disk, then in the checkpoint. Raises ExportError; earlier pages stay."""
        digest = self.digest.copy()
        try:
            for block in blocks:
                digest.update(block)
                write_all(self.rows_fd, block)
            sync(self.rows_fd)
            page = replace(page, sha256=digest.hexdigest())
            # The record is not synced: a lost record costs its page only, and the page comes anew.
            self._write(page, is_awaited=False)
        except OSError as error:
            # Free the space. Bytes missing from the checkpoint would be cut off anyway.
            with suppress(OSError):
                os.ftruncate(self.rows_fd, self.size)
                os.lseek(self.rows_fd, self.size, os.SEEK_SET)
            raise failed(self.rows_path, error) from error
        self.digest = digest
        self.book(page)

    def begin_again(self, walk: str) -> None:
        """Note that a walk begins once more from its head; a row stays until a newer version comes."""
        self._keep(Again(walk=walk))

    def end(self, walk: str, report: WalkReport) -> None:
        """Note that a walk has ended."""
        self._keep(Ended(walk=walk, report=report))

    def make(self, manifest: Manifest) -> None:
        """Note that the new file is whole and on the disk."""
        self._keep(Made(manifest=manifest))

    def read(self) -> Iterator[tuple[PageWritten, bytes]]:
        """Give each page with its bytes."""
        with self.rows_path.open("rb") as file:
            for page in self.pages:
                yield page, file.read(page.bytes)

    def close_rows(self) -> None:
        """Close the rows' file: Windows neither renames nor removes an open one."""
        fd, self.rows_fd = self.rows_fd, -1
        if fd >= 0:
            with suppress(OSError):
                os.close(fd)

    def close(self) -> None:
        """Close the files; they stay."""
        self.close_rows()
        fd, self.log_fd = self.log_fd, -1
        if fd >= 0:
            close_locked(fd)

    def discard(self) -> None:
        """Close and remove the files; the rows' file may have another name by now."""
        self.close_rows()
        with suppress(OSError):
            # Another program may keep a file from being removed. The next run goes on with nothing that is left.
            os.ftruncate(self.log_fd, len(HEAD))
        others = [self.rows_path, new_path(self.target)]
        for path in others:
            remove(path)
        if any(map(os.path.lexists, others)):
            self.close()
            return
        # Removed last, and before the lock goes: the checkpoint marks the other files as ours.
        fd, self.log_fd = self.log_fd, -1
        remove_locked(fd, log_path(self.target))

    def book(self, record: Record) -> None:
        """Take a record that the checkpoint has into account."""
        match record:
            case PageWritten():
                self.size += record.bytes
                self.pages.append(record)
                kept = self.kept[record.walk]
                kept.token = record.token
                kept.rows += record.rows - record.replaced
                kept.dropped += record.dropped + record.replaced
            case Again():
                kept = self.kept[record.walk]
                kept.token, kept.is_again = self.begun.walks[record.walk], True
            case Ended():
                self.kept[record.walk].report = record.report
            case Made():
                self.made = record.manifest
            case Begun():
                pass

    def _keep(self, record: Again | Ended | Made) -> None:
        try:
            self._write(record)
        except OSError as error:
            raise failed(self.rows_path, error) from error
        self.book(record)

    def _write(self, record: Record, *, is_awaited: bool = True) -> None:
        end = os.lseek(self.log_fd, 0, os.SEEK_END)
        try:
            write_all(self.log_fd, line_of(record))
            if is_awaited:
                sync(self.log_fd)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self.log_fd, end)
            raise


def rows_path(target: Path) -> Path:
    """Name the file of the rows."""
    return beside(target, ".partial")


def log_path(target: Path) -> Path:
    """Name the checkpoint."""
    return beside(target, ".partial.log")


def new_path(target: Path) -> Path:
    """Name the new file while it is made from the rows."""
    return beside(target, ".partial.new")


def is_same(begun: Begun, other: Begun) -> bool:
    """Whether two spools hold the same rows, written the same way, whenever they were begun."""
    return replace(begun, started=other.started) == other


def refuse_foreign_spool(target: Path) -> None:
    """Raise ExportError if a file at a name of the spool is not of an export."""
    # The checkpoint is made before the others and removed after them: it marks them as ours.
    new = new_path(target)
    others = [path for path in (rows_path(target), new, work_folder(new)) if os.path.lexists(path)]
    path = log_path(target)
    try:
        with path.open("rb") as log:
            head = log.read(len(HEAD))
    except FileNotFoundError:
        head = b""
    except OSError as error:
        raise failed(path, error) from error
    # A run may have been killed in its first line.
    if not HEAD.startswith(head):
        raise ExportError(f"{str(path)!r} is not the checkpoint of an export. {MOVE_AWAY}")
    if others and not head:
        raise ExportError(f"{str(others[0])!r} has no checkpoint beside it, so it may be no export's. {MOVE_AWAY}")


def open_spool(target: Path, begun: Begun, *, restart: bool = False) -> Spool:
    """Begin a spool, or go on with the one of an earlier run.

    Raises ExportError if another export to this file runs. Raises it too if the spool there has other filters or
    settings, is damaged, or is not ours.
    """
    refuse_foreign_spool(target)
    log_fd = _locked_log(target)
    rows_fd = -1
    try:
        with open(log_fd, "rb", closefd=False) as log:
            content = log.read()
        # A run that was killed in its first line has fetched nothing.
        if restart or b"\n" not in content:
            remove(rows_path(target))
            remove(new_path(target))
            os.ftruncate(log_fd, 0)
            os.lseek(log_fd, 0, os.SEEK_SET)
            content = line_of(begun)
            try:
                write_all(log_fd, content)
                sync(log_fd)
            except OSError:
                # Nothing is kept, so nothing is left.
                fd, log_fd = log_fd, -1
                remove_locked(fd, log_path(target))
                raise
        spool = _read_log(target, content, log_fd, begun)
        if spool.made is None or rows_path(target).exists():
            rows_fd = spool.rows_fd = open_private(rows_path(target))
            _cut_back(spool)
        sync_folder(target.parent)
    except BaseException as error:
        if rows_fd >= 0:
            os.close(rows_fd)
        if log_fd >= 0:
            close_locked(log_fd)
        if isinstance(error, OSError):
            raise failed(rows_path(target), error) from error
        raise
    return spool


def _damaged(spool: Spool, why: str) -> ExportError:
    return ExportError(f"{str(spool.rows_path)!r} is damaged: {why}. {_START_ANEW}")


def _locked_log(target: Path) -> int:
    path = log_path(target)
    try:
        return open_locked(path)[0]
    except BlockingIOError:
        raise ExportBusyError(
            f"another export to {str(target)!r} is running; wait for its end, or give another OUT"
        ) from None
    except OSError as error:
        raise not_opened(path, error) from error


def _read_log(target: Path, content: bytes, log_fd: int, begun: Begun) -> Spool:
    path = log_path(target)
    try:
        records, end = read_records(content)
    except Damaged as error:
        raise ExportError(f"the checkpoint {str(path)!r} cannot be gone on with: {error}. {_START_ANEW}") from error
    first, *others = records
    if not isinstance(first, Begun) or not is_same(first, begun):
        raise ExportError(
            f"{str(rows_path(target))!r} is of an export with other filters or settings. Run that one again to go on "
            f"with it. {_START_ANEW}"
        )
    os.ftruncate(log_fd, end)
    spool = Spool(target, first, {name: Kept(token) for name, token in first.walks.items()}, -1, log_fd)
    for record in others:
        # A damaged checkpoint may name a walk that it did not begin.
        if isinstance(record, Made) or (not isinstance(record, Begun) and record.walk in spool.kept):
            spool.book(record)
    return spool


def _cut_back(spool: Spool) -> None:
    """Cut off the bytes missing from the checkpoint, and check the rest."""
    size = os.fstat(spool.rows_fd).st_size
    if size < spool.size:
        raise _damaged(spool, f"it has {size:,} bytes, and {spool.size:,} were written")
    os.ftruncate(spool.rows_fd, spool.size)
    for page, data in spool.read():
        spool.digest.update(data)
        if spool.digest.hexdigest() != page.sha256:
            raise _damaged(spool, "its bytes are not those that were written")
    os.lseek(spool.rows_fd, spool.size, os.SEEK_SET)
