"""What users call: :class:`PeriskopeClient`, put together from one file a resource."""

from periskope_async.client.client import PeriskopeClient

__all__ = ["PeriskopeClient"]
