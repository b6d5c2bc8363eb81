"""The official TypeScript client calls each of its 70 methods, and its own types are what the answers are held to."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async.sandbox import PHONES, Sandbox
from tests.sandbox.test_official_client import installed

if TYPE_CHECKING:
    from collections.abc import Mapping

# The first run downloads some 100 MB.
pytestmark = pytest.mark.timeout(240)

SCRIPT = Path(__file__).parent / "official_client.js"
KEY = "key-of-the-official-client"
PHONE = PHONES[0].org_phone.removesuffix("@c.us")

# What the types promise is each key's type. That a key is there, or is not null, they promise as well, and recorded
# answers break it: `chat_access` is null, `ai_metadata` is absent. So any key may be null or absent here.
TYPES = """
import { PeriskopeApi } from "@periskope/periskope-client/dist/periskopeApi";
type Loose<T> =
  unknown extends T ? unknown
  : T extends (infer U)[] ? Loose<U>[] | null
  : T extends object ? { [K in keyof T]?: Loose<T[K]> } | null
  : T | null;
type Data<R extends keyof PeriskopeApi, M extends keyof PeriskopeApi[R]> =
  PeriskopeApi[R][M] extends (...a: any[]) => Promise<{ data: infer D }> ? Exclude<D, undefined> : never;
declare function holds<T>(): <U extends Loose<T>>(answer: U) => void;
"""

# Where a newer source contradicts the types, the sandbox follows the newer source: the position in the queue is a
# number (message/send-message), and the reason of a member's removal comes in a body (members/delete-member).
DISAGREE = {"message.send": "queue_position"}
EMPTY = {
    "chat.read",
    "chat.updateChatOverrideAccess",
    "chat.updateLabels",
    "contact.updateLabels",
    "group.leaveGroup",
    "member.delete",
    "message.delete",
    "message.edit",
    "message.forward",
    "message.pin",
    "message.react",
    "phone.delete",
    "phone.reset",
    "phone.restart",
    "phone.resync",
    "queue.purge",
    "webhook.delete",
}


@pytest.fixture(scope="module")
def package(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(request, tmp_path_factory, "@periskope/periskope-client@1.1.3", "typescript@5.9.3")


@pytest.fixture(scope="module")
def answers(package: Path) -> Mapping[str, Any]:
    with Sandbox(chats=130, limit=1_000, api_key=KEY, oddities=False, pace=0.01) as sandbox:
        [group, *_] = sandbox.chat_ids(phone=PHONE, chat_type="group", sort_by="latest_message_timestamp")[30:]
        message = sandbox.ids("messages", chat_id=group, phone=PHONES[0].org_phone)[0]
        facts = json.dumps({"group": group, "message": message})
        done = subprocess.run(
            ["node", str(SCRIPT), str(package), sandbox.base_url, KEY, PHONE, facts],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said: dict[str, Any] = json.loads(done.stdout)
        return said


def test_it_calls_all_its_methods(answers: Mapping[str, Any]) -> None:
    assert len(answers["methods"]) == 70
    assert set(answers["got"]) == set(answers["methods"])


def test_each_method_succeeds(answers: Mapping[str, Any]) -> None:
    """All but the one that reads an image as JSON: that is the client's own mistake."""
    failed = {name: got for name, got in answers["got"].items() if got.get("error") or got.get("thrown")}
    assert set(failed) == {"phone.getQR"}
    assert "JSON" in failed["phone.getQR"]["thrown"]


def test_writes_are_read_back(answers: Mapping[str, Any]) -> None:
    got = {name: answer.get("data") for name, answer in answers["got"].items()}
    assert got["chat.updateChatById"]["labels"] == ["VIP"]
    assert got["message.getById"]["body"] == "hello again"
    assert [reaction["reaction"] for reaction in got["message.getById"]["reactions"]] == ["👍"]
    assert got["group.addParticipant"]["4915112345678@c.us"]["is_success"]
    assert got["group.addParticipant"]["4915100001111@c.us"]["isInviteV4Sent"]
    assert got["group.updateSettings"]["chat_name"] == "Other crew"
    assert got["contact.getById"]["labels"] == ["VIP"]
    assert got["contact.getById"]["contact_name"] == "Zoë O'Neill"
    assert got["ticket.getById"]["ticket"]["priority"] == 4
    assert got["note.getNoteById"]["mentioned_ids"] == ["@asha@example.com"]
    assert got["queue.getBroadcastStatus"]["total_chats"] == 2
    assert len(got["webhook.list"]) >= 2
    assert [error["email"] for error in got["member.invite"]["errors"]] == ["asha@example.com"]


def test_the_types_hold(package: Path, answers: Mapping[str, Any]) -> None:
    lines = [TYPES]
    for name, answer in answers["got"].items():
        data = answer.get("data")
        if name in EMPTY or "thrown" in answer:
            continue
        if name in DISAGREE:
            data = {key: value for key, value in data.items() if key != DISAGREE[name]}
        resource, method = name.split(".")
        lines.append(f'holds<Data<"{resource}", "{method}">>()({json.dumps(data)});')
    assert len(lines) == 1 + 70 - len(EMPTY) - 1
    (package / "answers.ts").write_text("\n".join(lines), encoding="utf-8")
    tsc = package / "node_modules" / "typescript" / "bin" / "tsc"
    options = "--noEmit --strict --skipLibCheck --target es2022 --module commonjs --types node answers.ts"
    done = subprocess.run(
        ["node", str(tsc), *options.split()],
        cwd=package,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
