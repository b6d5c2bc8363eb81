"""``rediss://``: a certificate of the test's own, before a real server."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from periskope_async.sandbox import Sandbox
from tests.shared.clients import PLENTY, calls, client_of, said
from tests.shared.proxies import proxied

if TYPE_CHECKING:
    from pathlib import Path

    from tests.shared.stores import Store

pytestmark = pytest.mark.usefixtures("nothing_left_over")


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate: Any = authority.issue_cert("localhost")  # trustme leaves its types half open
    certificate.configure_cert(context)
    return context


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> Path:
    """Give the file that ``ssl_ca_certs`` in the URL names."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.mark.parametrize("way", [0.0, 0.025])
async def test_a_certificate_that_is_trusted(
    store: Store, tls: ssl.SSLContext, trusted: Path, caplog: pytest.LogCaptureFixture, way: float
) -> None:
    """With a password too, and also where Redis is 50 ms away."""
    with store.admin() as admin:
        admin.execute_command("ACL", "SETUSER", "limiter", "on", ">s3cr:t", "~*", "+@all")
    async with (
        proxied(store, tls=tls, way=way) as port,
        Sandbox(chats=10, limit=PLENTY) as sandbox,
        client_of(sandbox, f"rediss://limiter:s3cr%3At@localhost:{port}/0?ssl_ca_certs={trusted}") as client,
    ):
        await calls(client, 5)
        assert not said(caplog)


@pytest.mark.parametrize("url", ["rediss://localhost:{port}/0", "rediss://127.0.0.1:{port}/0?ssl_ca_certs={trusted}"])
async def test_a_certificate_that_is_not_trusted(
    store: Store, tls: ssl.SSLContext, trusted: Path, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    """By nobody we know, or for another host: nothing is told to such a server, and no call fails."""
    async with (
        proxied(store, tls=tls) as port,
        Sandbox(chats=10, limit=PLENTY) as sandbox,
        client_of(sandbox, url.format(port=port, trusted=trusted)) as client,
    ):
        await calls(client, 2)
        assert said(caplog, "Redis is away") == 1
    with store.admin() as admin:
        assert not admin.keys("*")


async def test_a_certificate_that_is_not_looked_at(
    store: Store, tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        proxied(store, tls=tls) as port,
        Sandbox(chats=10, limit=PLENTY) as sandbox,
        client_of(sandbox, f"rediss://127.0.0.1:{port}/0?ssl_cert_reqs=none&ssl_check_hostname=False") as client,
    ):
        await calls(client, 2)
        assert not said(caplog)
