"""The image of a QR code that was cut on the way is asked for again, in every form and framing."""

from __future__ import annotations

import json
import struct
import zlib
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from periskope_async import BodyError, RetryPolicy
from tests.flow.raw_server import compressed, raw_server

if TYPE_CHECKING:
    import asyncio

AT_ONCE = RetryPolicy(tries=3, base=0.0)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


NOISE = bytes(range(256)) * 12
PNG = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(13)) + chunk(b"IDAT", NOISE) + chunk(b"IEND", b"")
SVG = b'<svg xmlns="http://www.w3.org/2000/svg">' + b"".join(b'<path d="%d"/>' % n for n in range(300)) + b"</svg>"

FORMS = {
    "png": ("image/png", PNG, PNG),
    "jpeg": ("image/jpeg", JPEG := b"\xff\xd8\xff\xe0" + NOISE + b"\xff\xd9", JPEG),
    "svg": ("image/svg+xml", SVG, SVG),
    "data URL": ("text/plain", b"data:image/png;base64," + b64encode(PNG), PNG),
    "data URL in JSON": ("application/json", b'"data:image/png;base64,' + b64encode(PNG) + b'"', PNG),
    "buffer": ("application/json", json.dumps({"type": "Buffer", "data": list(PNG)}).encode(), PNG),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "identity"])
@pytest.mark.parametrize("ends", ["last chunk", "close"])
async def test_a_cut_image_is_asked_for_again(nothing_left_over: None, form: str, encoding: str, ends: str) -> None:
    """By whom nobody can tell: the framing is in order, and aiohttp takes what came for the whole."""
    kind, body, image = FORMS[form]
    wire = compressed(encoding, body)
    for cut in (len(wire) * 3 // 10, len(wire) * 6 // 10):

        async def answer(number: int, writer: asyncio.StreamWriter, cut: int = cut) -> None:
            sent = wire[:cut] if number == 1 else wire
            lines = [f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Encoding: {encoding}\r\n"]
            if ends == "close":
                writer.write("".join([*lines, "Connection: close\r\n\r\n"]).encode() + sent)
                writer.close()
            else:
                lines.append(f"Transfer-Encoding: chunked\r\n\r\n{len(sent):x}\r\n")
                writer.write("".join(lines).encode() + sent + b"\r\n0\r\n\r\n")

        async with raw_server(answer, retry=AT_ONCE) as (server, client):
            assert await client.get_phone_qr("12025550100") == image
        assert len(server.targets) == 2


async def test_an_image_always_cut_is_refused(nothing_left_over: None) -> None:
    async def answer(_: int, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nConnection: close\r\n\r\n" + PNG[:1000])
        writer.close()

    async with raw_server(answer, retry=AT_ONCE) as (_, client):
        with pytest.raises(BodyError, match="cut off after 1000 bytes"):
            await client.get_phone_qr("12025550100")


@pytest.mark.parametrize("image", [PNG[:-4], PNG + b"made by a camera", b"RIFF\0\0\0\0WEBP"])
async def test_an_image_of_known_length_is_the_server_s_affair(nothing_left_over: None, image: bytes) -> None:
    async def answer(_: int, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {len(image)}\r\n\r\n"
        writer.write(head.encode() + image)

    async with raw_server(answer) as (_, client):
        assert await client.get_phone_qr("12025550100") == image
