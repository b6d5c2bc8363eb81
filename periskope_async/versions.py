"""The versions of installed packages."""

from __future__ import annotations

__all__ = ["version_of"]


def version_of(package: str) -> str:
    """Give a package's version; ``unknown`` in a checkout, a zipapp or a bundle of code alone."""
    # Imported here: package metadata is slow to import, and few need it.
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    try:
        # Truncated metadata has no version: None, and in newer Pythons a KeyError.
        return version(package) or "unknown"
    except (PackageNotFoundError, KeyError):
        return "unknown"
