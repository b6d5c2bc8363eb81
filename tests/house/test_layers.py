"""Imports run down the house only, pure rooms stay pure, and no room is too large to live in."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import periskope_async

HOUSE = Path(periskope_async.__file__).parent

# From the ground up: a room may import rooms that stand before its own row, and those of its own folder.
FLOORS = [
    {"callbacks", "compact_keys", "frames", "locked_file", "printable", "secret", "typed", "versions"},
    {"limits.headers"},
    {"meta"},
    {"errors"},
    {"models"},
    {"wire.listing", "wire.order", "wire.request"},
    {"decoding"},
    {"events", "retry", "tcp", "turns"},
    {"proxy"},
    {"config"},
    {"cache"},
    {"wire"},
    {"live_event"},
    {"webhooks"},
    {"limits"},
    {"watch"},
    {"connection"},
    {"transport"},
    {"call"},
    {"session"},
    {"realtime"},
    {"tables"},
    {"arrow"},
    {"paging"},
    {"newest_first", "sources"},
    {"media"},
    {"client"},
    {"__init__"},
    {"export", "mirror", "otel", "sandbox"},
    {"workers"},
    {"testing"},
    {"pytest_plugin"},
    {"cli"},
    {"__main__"},
]

# No clock, no loop, no network, no chance: `now` and `rng` come in as arguments.
PURE = [
    "cache",
    "compact_keys",
    "decoding",
    "errors",
    "events",
    "meta",
    "models",
    "newest_first",
    "printable",
    "retry",
    "secret",
    "tables",
    "typed",
    "wire",
    "mirror.lists",
    "mirror.merge",
    "live_event",
    "realtime.backoff",
    "realtime.buffer",
    "realtime.codec",
    "realtime.items",
    "webhooks.parse",
    "webhooks.seen",
    "webhooks.verify",
    "limits.budget",
    "limits.clock",
    "limits.closing",
    "limits.count",
    "limits.equal_share",
    "limits.failures",
    "limits.foreign",
    "limits.headers",
    "limits.jitter",
    "limits.ledger",
    "limits.lone",
    "limits.overload",
    "limits.pace",
    "limits.rate",
    "limits.remote",
    "limits.resets",
    "limits.scripts",
    "limits.stamp",
    "limits.told",
    "limits.tokens",
    "limits.window",
    "paging.depth",
    "paging.handover",
    "paging.head",
    "paging.page",
    "paging.report",
    "paging.resume",
    "paging.verdict",
    "paging.walk",
    "sandbox.data",
    "sandbox.faults",
    "sandbox.limiter",
]
MOST_LINES_OF_TESTS = 500
IMPURE_MODULES = {"asyncio", "aiohttp", "time", "random", "secrets", "socket", "os"}


def modules() -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(HOUSE.rglob("*.py")):
        name = ".".join(path.relative_to(HOUSE).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


def floor_of(name: str) -> int:
    for number, rooms in enumerate(FLOORS):
        if name in rooms or any(name.startswith(f"{room}.") for room in rooms if room != "limits.headers"):
            return number
    raise AssertionError(f"{name} stands on no floor: give it one in FLOORS")


def imports_of(path: Path, *, at_run_time: bool = False) -> list[str]:
    """Every module that a file imports, whole names; ``at_run_time`` leaves out what only type checkers see."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if at_run_time:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                node.body = []
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import hides which way it runs"
            names.append(node.module or "")
    return names


@pytest.mark.parametrize("name", modules())
def test_imports_run_down_only(name: str) -> None:
    for imported in imports_of(modules()[name]):
        if imported == "periskope_async":
            target = "__init__"
        elif imported.startswith("periskope_async."):
            target = imported.removeprefix("periskope_async.")
        else:
            continue
        same_folder = name.split(".", maxsplit=1)[0] == target.split(".")[0]
        assert same_folder or floor_of(target) < floor_of(name), f"{name} imports {imported}, which stands above it"


@pytest.mark.parametrize("name", PURE)
def test_pure_rooms_have_no_clock_no_loop_and_no_network(name: str) -> None:
    rooms = [path for module, path in modules().items() if module == name or module.startswith(f"{name}.")]
    assert rooms, f"no room {name}"
    for path in rooms:
        taken = {module.partition(".")[0] for module in imports_of(path, at_run_time=True)} & IMPURE_MODULES
        assert not taken, f"{path.name} imports {taken}"


def test_the_sandbox_shares_no_code_with_what_it_tests() -> None:
    for name, path in modules().items():
        if name.startswith("sandbox"):
            ours = {module for module in imports_of(path) if module.startswith("periskope_async")}
            assert all(module.startswith(("periskope_async.sandbox", "periskope_async.models")) for module in ours), (
                name
            )


@pytest.mark.parametrize(("name", "path"), modules().items())
def test_no_room_is_too_large(name: str, path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 450, f"{name} has {lines} lines: two ideas in one room?"


def test_no_file_of_tests_is_too_long() -> None:
    tests = Path(__file__).parents[1]
    lines = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in tests.rglob("*.py")}
    assert {name: number for name, number in lines.items() if number > MOST_LINES_OF_TESTS} == {}


def test_the_import_loads_no_sandbox_no_export_and_no_command_line() -> None:
    code = (
        "import sys, periskope_async\n"
        "rooms = ('sandbox', 'export', 'mirror', 'webhooks', 'realtime', 'otel', 'workers', 'cli', 'testing')\n"
        "rooms += ('pytest_plugin',)\n"
        "print([m for m in sys.modules if m.startswith('periskope_async.') and m.split('.')[1] in rooms])\n"
        "heavy = ('aiohttp.web', 'rich', 'cyclopts', 'opentelemetry', 'importlib.metadata', 'difflib')\n"
        "heavy += ('periskope_async.limits.shared',)\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded, heavy = ran.stdout.splitlines()
    assert loaded == "[]"
    assert "rich" not in heavy
    assert "opentelemetry" not in heavy
    assert "cyclopts" not in heavy
    assert "difflib" not in heavy
    assert "shared" not in heavy


def test_all_is_sorted_and_is_what_there_is() -> None:
    names = [name for name in periskope_async.__all__ if name != "UNSET"]
    for name in periskope_async.__all__:
        assert getattr(periskope_async, name) is not None
    assert names == sorted(names, key=lambda name: (not name.isupper(), name))
    public = {
        name
        for name, value in vars(periskope_async).items()
        if not name.startswith("_") and not isinstance(value, type(sys))
    }
    assert public - {"TYPE_CHECKING"} == set(periskope_async.__all__) - {"SharedLimiter"}


def test_the_version_is_looked_up_when_asked_for() -> None:
    assert periskope_async.__version__[0].isdigit()
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = periskope_async.nothing_of_the_kind
