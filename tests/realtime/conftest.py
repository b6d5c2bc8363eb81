"""A sandbox and a client for it, as the flows have them."""

from tests.flow.conftest import opened

__all__ = ["opened"]
