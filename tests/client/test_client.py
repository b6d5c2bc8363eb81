"""The client as a class to build on."""

from __future__ import annotations

from typing import Any

from periskope_async import PeriskopeClient


class ClientOfTenant(PeriskopeClient):
    def __init__(self, *arguments: Any, tenant: str, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.tenant = tenant


def test_a_subclass_keeps_its_attributes_for_another_phone() -> None:
    client = ClientOfTenant("key", tenant="acme")
    other = client.with_phone("919876543210")
    assert (other.tenant, other.phone, client.phone) == ("acme", "919876543210", None)
    assert other._manager is client._manager
