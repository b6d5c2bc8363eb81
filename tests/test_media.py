"""A file to send: what it is told to be. It is looked at again when it is read, and may be another one by then."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import ConfigError, Media

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("filename", "mimetype"),
    [
        ("clip.mp4.gz", "application/gzip"),
        ("photo.jpg.gz", "application/gzip"),
        ("drawing.svgz", "application/gzip"),
        ("backup.tar.gz", "application/gzip"),
        ("notes.gz", "application/gzip"),
        ("song.mp3.bz2", "application/x-bzip2"),
        ("data.json.xz", "application/x-xz"),
        ("photo.png.Z", "application/octet-stream"),
    ],
)
def test_a_compressed_file_is_not_told_as_its_content(filename: str, mimetype: str) -> None:
    media = Media.from_bytes(b"a", filename=filename)
    assert (media.mimetype, media.type) == (mimetype, "document")


@pytest.mark.parametrize(
    ("filename", "fitting"), [("a.mp4.gz", "'document'"), ("a.pdf", "'document'"), ("a.png", "'document' or 'image'")]
)
def test_a_type_that_does_not_fit_is_refused_with_those_that_do(filename: str, fitting: str) -> None:
    with pytest.raises(ConfigError, match=rf"is no video; give type={fitting}$"):
        Media.from_bytes(b"a", filename=filename, type="video")


@pytest.mark.parametrize(
    ("filename", "mimetype", "shown"),
    [
        ("a.PDF", "application/pdf", "document"),
        ("a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "document"),
        ("a.csv", "text/csv", "document"),
        ("a.log", "text/plain", "document"),
        ("a.yaml", "application/yaml", "document"),
        ("a.JPG", "image/jpeg", "image"),
        ("a.webp", "image/webp", "document"),
        ("a.heic", "image/heic", "document"),
        ("a.svg", "image/svg+xml", "document"),
        ("a.3gp", "video/3gpp", "video"),
        ("a.mkv", "video/x-matroska", "video"),
        ("a.m4a", "audio/mp4", "audio"),
        ("a.opus", "audio/ogg", "audio"),
    ],
)
def test_a_kind_is_the_same_on_every_machine(
    filename: str, mimetype: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mimetypes.guess_type", None)
    media = Media.from_bytes(b"a", filename=filename)
    assert (media.mimetype, media.type) == (mimetype, shown)


@pytest.mark.parametrize(
    ("mimetype", "shown"),
    [("image/jpeg", "image"), ("IMAGE/PNG; a=b", "image"), ("image/vnd.dwg", "document"), ("image/tiff", "document")],
)
def test_other_images_than_whatsapp_shows_are_documents(mimetype: str, shown: str) -> None:
    assert Media.from_bytes(b"a", filename="a", mimetype=mimetype).type == shown


def test_a_type_of_the_callers_choice_is_kept() -> None:
    assert Media.from_bytes(b"a", filename="a.webp", type="image").type == "image"
    assert Media.from_bytes(b"a", filename="a.png", type="document").type == "document"


@pytest.mark.parametrize("name", ["data.of-no-kind", "Makefile", ".profile"])
def test_a_file_of_an_unknown_kind_is_a_document(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"a")
    media = Media.from_path(tmp_path / name)
    assert (media.filename, media.mimetype, media.type) == (name, "application/octet-stream", "document")
    with pytest.raises(ConfigError, match="cannot be guessed; give mimetype="):
        Media.from_bytes(b"a", filename=name)
    with pytest.raises(ConfigError, match="cannot be guessed; give mimetype="):
        Media.from_url(f"https://example.com/{name}")


@pytest.mark.parametrize("path", [None, b"a.png", 5])
def test_a_path_of_another_kind_is_refused(path: Any) -> None:
    with pytest.raises(ConfigError, match=r"path is .*; give a str or a Path"):
        Media.from_path(path)


def test_a_mimetype_of_another_kind_is_refused() -> None:
    mimetype: Any = 5
    with pytest.raises(ConfigError, match="mimetype is 5, a int; give it as a str"):
        Media.from_bytes(b"a", filename="a.png", mimetype=mimetype)


def test_a_space_in_a_url_is_told() -> None:
    with pytest.raises(ConfigError, match="holds a space; write it as %20"):
        Media.from_url("https://example.com/my order.pdf")


def made_anew(make: Callable[[Path], object]) -> Callable[[Path], object]:
    def change(path: Path) -> None:
        path.unlink()
        make(path)

    return change


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "gone": (os.unlink, "there is no file"),
    "a folder": (made_anew(Path.mkdir), "there is no file"),
    "a pipe": (made_anew(os.mkfifo), "there is no file"),
    "empty": (lambda path: os.truncate(path, 0), "is empty"),
    "a huge one": (lambda path: os.truncate(path, 10**12), "has 1,000,000,000,000 bytes"),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_file_that_was_changed_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG")
    media = Media.from_path(path)
    monkeypatch.setattr(Path, "read_bytes", None)
    act, said = CHANGES[change]
    act(path)
    with pytest.raises(ConfigError, match=said):
        await media.to_wire()


async def test_a_file_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG")
    media = Media.from_path(path)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ConfigError, match="cannot be read: Permission denied"):
        await media.to_wire()
