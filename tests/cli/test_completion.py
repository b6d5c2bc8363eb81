"""The shell completes commands, options and their words."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from periskope_async.cli.app import app
from tests.cli.running import periskope

if TYPE_CHECKING:
    from pathlib import Path

# Does what bash does at Tab: it fills in the words, and calls what is registered for the command.
_TAB = r"""
. "$HOME/.bashrc"
function=$(complete -p periskope | sed 's/.*-F \([^ ]*\) .*/\1/')
while IFS= read -r line; do
  COMPREPLY=()
  IFS=' ' read -ra COMP_WORDS <<< "$line"
  [[ $line == *' ' ]] && COMP_WORDS+=("")
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$line COMP_POINT=${#line}
  $function
  echo "${COMPREPLY[*]}"
done
"""
_EXPECTED = {
    "periskope ": {"chats", "send", "export", "watch"},
    "periskope ph": {"phones"},
    "periskope export ": {"all", "chats", "knowledge-base"},
    "periskope sync mirror.sqlite --fu": {"--full", "--full-every"},
    "periskope chats --chat-type ": {"user", "group", "business"},
}


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_a_real_bash_completes(tmp_path: Path) -> None:
    ran = periskope("--install-completion", "--shell", "bash", HOME=str(tmp_path))
    assert (ran.returncode, ran.stderr) == (0, "")
    tabs = subprocess.run(
        ["bash", "--norc", "-c", _TAB],
        input="".join(f"{line}\n" for line in _EXPECTED),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert tabs.stderr == ""
    found = [set(line.split()) for line in tabs.stdout.splitlines()]
    for offered, expected in zip(found, _EXPECTED.values(), strict=True):
        assert expected <= offered
    assert found[-1] == {"user", "group", "business"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_name_every_command(shell: str, tmp_path: Path) -> None:
    script = app.generate_completion(shell=shell)  # type: ignore[arg-type] # one of its words
    assert all(name in script for name in app if not name.startswith("-"))
    if shutil.which(shell):
        (tmp_path / "script").write_text(script, encoding="utf-8")
        assert subprocess.run([shell, "-n", str(tmp_path / "script")], check=False).returncode == 0
