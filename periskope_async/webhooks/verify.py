"""The proof of a webhook's origin at Periskope (pure).

The header ``x-periskope-signature`` holds the HMAC-SHA256 of the body in hex digits. Its key is the signing key shown
by the console, prefix and all. The body is signed as it is sent: a body decoded and encoded again differs.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from periskope_async.errors import ConfigError, SignatureError
from periskope_async.secret import Secret
from periskope_async.typed import pasted

__all__ = ["SIGNATURE_HEADER", "SigningKeys", "Verified", "received", "verify"]

SIGNATURE_HEADER: Final = "x-periskope-signature"

_HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")
_DIGITS = 64


class Verified(Struct, frozen=True):
    """A right signature."""

    key_index: int
    """The index of its key, from 0: an old key can go when it is no longer met."""


class SigningKeys:
    """One signing key, or several while they are changed. They never show themselves.

    Raises ConfigError for no key, an empty one, and one of another type than str.
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: str | Iterable[str]) -> None:
        # The keys are never locals of a raising frame: crash reports show locals.
        self._keys = _secrets(keys)
        del keys
        if not self._keys or not all(key.reveal() for key in self._keys):
            raise ConfigError(
                "no signing key, or one that is empty or no str; it is shown in Periskope's console where webhooks are "
                "made",
                parameter="keys",
            )

    def matching(self, body: bytes, signature: bytes) -> int | None:
        """Give the index of this signature's key; all keys are tried, each in constant time."""
        found = None
        for index, key in enumerate(self._keys):
            if hmac.compare_digest(hmac.digest(key.reveal().encode(), body, "sha256"), signature) and found is None:
                found = index
        return found

    def __repr__(self) -> str:
        return f"SigningKeys({len(self._keys)} of them)"


def verify(body: bytes, signature: str | bytes | None, keys: str | Iterable[str] | SigningKeys) -> Verified:
    """Prove that ``body`` was signed with one of ``keys``.

    ``body`` is the received body, byte for byte; ``signature`` is the header's value, None if there was none. Raises
    SignatureError, with a ``reason``; TypeError if ``body`` is no bytes; ConfigError if a key cannot be one.
    """
    known = keys if isinstance(keys, SigningKeys) else SigningKeys(keys)
    del keys
    body = received(body)
    given = _read_signature(signature)
    if not body:
        raise SignatureError(
            "the body is empty, and yet it has a signature: something on the way, such as a middleware or a form "
            "parser, has read it before",
            reason="empty_body",
        )
    index = known.matching(body, given)
    if index is None:
        raise SignatureError(
            "the signature fits none of the keys: another key, or a body that was changed on the way (decoded and "
            "encoded again, or decompressed)",
            reason="wrong",
        )
    return Verified(index)


def received(body: bytes) -> bytes:
    """Give a body as bytes. Raises TypeError if it is a text or an object."""
    if not isinstance(body, bytes | bytearray | memoryview):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f"body is a {type(body).__name__}; give the bytes that were received, for a text or an object that is "
            "encoded again may differ from what was signed"
        )
    return bytes(body)


def _read_signature(signature: str | bytes | None) -> bytes:
    """Give the signature's 32 bytes. Raises SignatureError if it cannot be one."""
    text = signature.encode(errors="replace") if isinstance(signature, str) else bytes(signature or b"")
    text = text.strip()
    if not text:
        raise SignatureError(f"there is no signature: the header {SIGNATURE_HEADER} is missing", reason="missing")
    if b"," in text:
        raise SignatureError(
            f"there are several signatures in {SIGNATURE_HEADER}; one was expected", reason="malformed"
        )
    if len(text) != _DIGITS or not _HEX_DIGITS.issuperset(text):
        reason = "it begins with sha256=" if text.startswith(b"sha256=") else f"it has {len(text)} characters"
        raise SignatureError(f"the signature is not {_DIGITS} hex digits: {reason}", reason="malformed")
    return bytes.fromhex(text.decode("ascii"))


def _secrets(keys: str | Iterable[str]) -> tuple[Secret, ...]:
    # None is what an environment variable gives that is not set.
    given = (keys,) if isinstance(keys, str) else keys if isinstance(keys, Iterable) else ()  # pyright: ignore[reportUnnecessaryIsInstance]
    return tuple(Secret(pasted(key) if isinstance(key, str) else "") for key in given)  # pyright: ignore[reportUnnecessaryIsInstance]
