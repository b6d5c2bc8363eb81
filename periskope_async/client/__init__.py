"""The users' API: :class:`PeriskopeClient`, made of one file a resource."""

from periskope_async.client.client import PeriskopeClient

__all__ = ["PeriskopeClient"]
