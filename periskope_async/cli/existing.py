"""Common parts of the commands around exports: the treatment of an older file, hints, and paths for people."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cyclopts import Parameter

from periskope_async.cli.durations import read_duration
from periskope_async.cli.options import Switch  # noqa: TC001 - read at run time
from periskope_async.errors import ConfigError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Generator

    from periskope_async.export import IfExists

__all__ = ["Existing", "FileFormat", "hinting_at_phones", "read_patience", "shown_path"]

FileFormat = Literal["jsonl", "jsonl.gz", "jsonl.zst", "csv", "parquet", "sqlite", "duckdb"]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Existing:
    """What becomes of a file at OUT. It stays until the new one is whole."""

    update: Switch = False
    "Ask only for what is new, newest first until known ground, and write it over its older rows."
    sweep: Switch = False
    "Update by reading all rows, and mark those that are gone from the list (gone_at). --update adds nothing to it."
    overwrite: Switch = False
    """Replace whatever file is there. Otherwise only an unchanged export of the same organisation, list, format and
    filters is replaced."""

    @property
    def if_exists(self) -> IfExists:
        """The plan's word for it. Raises ConfigError if two exclude each other."""
        if self.overwrite and (self.update or self.sweep):
            raise ConfigError("--overwrite and an update exclude each other; leave one out", parameter="overwrite")
        return "sweep" if self.sweep else "update" if self.update else "overwrite" if self.overwrite else "replace"


@contextmanager
def hinting_at_phones() -> Generator[None]:
    """Add a hint to the server's refusal of a list, if the list has to be asked for phone by phone."""
    try:
        yield
    except ValidationError as error:
        if error.is_about("x-phone"):
            error.add_note("this list is kept phone by phone: --all-phones exports that of each")
        raise


def read_patience(text: str) -> float:
    """Read an option's length of time. Raises ConfigError."""
    try:
        return read_duration(text)
    except ValueError as error:
        raise ConfigError(f"--patience: {error}", parameter="patience") from None


def shown_path(path: Path) -> Path:
    """Give a path in its shortest form: relative if it is below the present folder."""
    try:
        here = Path.cwd()
    except OSError:
        # It is gone.
        return path
    return path.relative_to(here) if path.is_relative_to(here) else path
