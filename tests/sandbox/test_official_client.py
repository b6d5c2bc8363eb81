"""The official TypeScript client takes the sandbox for Periskope: with ``env: "local"`` it asks localhost:8080."""

from __future__ import annotations

import json
import shutil
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async.sandbox import PHONES, Sandbox, Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGE = "@periskope/periskope-client@1.1.3"
PORT = 8080
KEY = "key-of-the-official-client"
PHONE = PHONES[0].org_phone.removesuffix("@c.us")

SCRIPT = """
const { PeriskopeApi } = require("@periskope/periskope-client");
const [authToken, phone, queries] = process.argv.slice(2);
(async () => {
  const client = new PeriskopeApi({ authToken, phone, env: "local" });
  const answers = [];
  for (const query of JSON.parse(queries)) {
    const { data, error, status } = query.by_id
      ? await client.chat.getChatById({ chat_id: query.by_id })
      : await client.chat.getChats(query);
    answers.push({ data, status, error: error && { code: error.code, message: error.message } });
  }
  console.log(JSON.stringify(answers));
})();
"""

# The first run downloads some 80 MB.
pytestmark = pytest.mark.timeout(240)


def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, *packages: str) -> Path:
    """Install packages into pytest's cache, where later runs find them, or where there is none for this run."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    name = "periskope-official-" + "-".join(package.rpartition("@")[0].rpartition("/")[2] for package in packages)
    cache: pytest.Cache | None = getattr(request.config, "cache", None)
    folder = cache.mkdir(name) if cache else tmp_path_factory.mktemp(name)
    if not all(_is_there(folder, package) for package in packages):
        options = ["--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1"]
        try:
            done = subprocess.run(
                [npm, "install", *options, *packages], capture_output=True, text=True, timeout=180, check=False
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"npm did not install {packages} in time")
        if done.returncode:
            pytest.skip(f"npm could not install {packages}: {done.stderr.strip()[-500:]}")
    return folder


def _is_there(folder: Path, package: str) -> bool:
    name, _, version = package.rpartition("@")
    manifest = folder / "node_modules" / name / "package.json"
    return manifest.exists() and json.loads(manifest.read_bytes())["version"] == version


@pytest.fixture(scope="module")
def package(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(request, tmp_path_factory, PACKAGE)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with ExitStack() as stack:
        try:
            running = stack.enter_context(Sandbox(port=PORT, chats=130, limit=1_000, api_key=KEY))
        except OSError as error:
            pytest.skip(f"port {PORT} is taken: {error}")
        yield running


def ask(package: Path, *queries: dict[str, str], key: str = KEY) -> list[dict[str, Any]]:
    script = package / "ask.js"
    script.write_text(SCRIPT)
    # Node takes localhost for ::1 first where that exists; the sandbox listens on 127.0.0.1.
    done = subprocess.run(
        ["node", "--dns-result-order=ipv4first", str(script), key, PHONE, json.dumps(queries)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def test_it_lists_every_chat_page_by_page(package: Path, sandbox: Sandbox) -> None:
    pages = ask(package, *({"offset": str(offset), "limit": "25"} for offset in range(0, 150, 25)))
    assert {page["status"] for page in pages} == {200}
    ids = [chat["chat_id"] for page in pages for chat in page["data"]["chats"]]
    # It sends its phone with every request.
    assert ids == sandbox.chat_ids(phone=PHONE)
    assert len(ids) == pages[0]["data"]["count"] > 25
    assert {record.phone for record in sandbox.requests} == {PHONE}


def test_it_reads_filters_one_chat_and_errors(package: Path, sandbox: Sandbox) -> None:
    groups = sandbox.chat_ids(phone=PHONE, chat_type="group")
    filtered, one, missing, refused = ask(
        package,
        {"chat_type": "group"},
        {"by_id": groups[0]},
        {"by_id": "1@c.us"},
        {"limit": "10000"},
    )
    assert [chat["chat_id"] for chat in filtered["data"]["chats"]] == groups
    assert (one["status"], one["data"]["chat_id"]) == (200, groups[0])
    assert one["data"]["members"]
    assert (missing["status"], missing["error"]) == (404, {"code": "NOT_FOUND_ERROR", "message": "Chat not found"})
    assert (refused["status"], refused["error"]["code"]) == (422, "VALIDATION_ERROR")


def test_it_is_told_of_a_wrong_key(package: Path, sandbox: Sandbox) -> None:
    [answer] = ask(package, {"limit": "1"}, key="another")
    assert (answer["status"], answer["error"]["code"]) == (401, "UNAUTHORIZED_ERROR")


def test_it_is_told_of_a_refusal(package: Path, sandbox: Sandbox) -> None:
    sandbox.script(Status(429))
    [answer] = ask(package, {"limit": "1"})
    assert (answer["status"], answer["error"]["code"]) == (429, "RATE_LIMIT_ERROR")
