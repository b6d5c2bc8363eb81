"""No class holds more than one can keep in mind, and a page crosses few files."""

from __future__ import annotations

import ast
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import periskope_async
from periskope_async.paging.walk import Walk
from tests.paging.moving_list import MovingList

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

HOUSE = Path(periskope_async.__file__).parent
PAGING = sorted((HOUSE / "paging").glob("*.py"))
RECORDS = {"WalkReport"}
"""An account of figures for users, which decides nothing."""
MAX_FIELDS, MAX_FLAGS, MAX_FILES = 12, 3, 4
MAX_LINES_OF_PAGING = 1_900


def fields_of(node: ast.ClassDef) -> Iterator[tuple[str, bool]]:
    """Give the names that a class sets on ``self`` or declares, and whether each is a flag."""
    for each in ast.walk(node):
        if isinstance(each, ast.Assign | ast.AnnAssign):
            value = each.value
            is_flag = (isinstance(value, ast.Constant) and isinstance(value.value, bool)) or (
                isinstance(each, ast.AnnAssign) and ast.unparse(each.annotation) == "bool"
            )
            for target in each.targets if isinstance(each, ast.Assign) else [each.target]:
                if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self":
                    yield target.attr, is_flag
                elif isinstance(target, ast.Name) and each in node.body:
                    yield target.id, is_flag


@pytest.mark.parametrize("path", PAGING, ids=lambda path: path.stem)
def test_classes_of_the_walk_have_few_fields(path: Path) -> None:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name not in RECORDS:
            fields = set(fields_of(node))
            assert len({name for name, _ in fields}) <= MAX_FIELDS, node.name
            assert len({name for name, is_flag in fields if is_flag}) <= MAX_FLAGS, node.name


def test_the_walk_is_short() -> None:
    lines = {path.stem: len(path.read_text(encoding="utf-8").splitlines()) for path in PAGING}
    assert sum(lines.values()) <= MAX_LINES_OF_PAGING, lines


def test_a_page_crosses_few_files() -> None:
    """The files that run while an ordinary page, behind the first, is placed."""
    moving = MovingList(rng=random.Random(1), size=500)
    walk = Walk(page_size=100)
    files: set[str] = set()

    def profile(frame: FrameType, event: str, _: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and HOUSE in path.parents:
            files.add(path.name)

    for number in range(3):
        ask = walk.next_ask(1)
        assert ask is not None
        page = moving.page(ask)
        sys.setprofile(profile if number else None)
        try:
            walk.place(ask, page)
        finally:
            sys.setprofile(None)
    assert 0 < len(files) <= MAX_FILES, files
