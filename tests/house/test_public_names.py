"""What a public method takes or gives can be named in a program's own annotations."""

from __future__ import annotations

import ast
import builtins
import collections.abc
import inspect
import typing

import pytest

import periskope_async
from periskope_async import events, models, realtime

PUBLIC = {name for module in (periskope_async, events, models, realtime) for name in module.__all__}
# The last one stands for a pager's own rows.
KNOWN = {*dir(builtins), *dir(typing), *dir(collections.abc), "datetime", "T_co"}


@pytest.mark.parametrize("name", ["PeriskopeClient", "Pager", "SentMessage", "SentBroadcast"])
def test_the_types_of_a_public_method_have_public_names(name: str) -> None:
    kind = getattr(periskope_async, name)
    for method_name, method in inspect.getmembers(kind, inspect.isfunction):
        if not method_name.startswith("_"):
            trees = [ast.parse(annotation) for annotation in method.__annotations__.values()]
            names = {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}
            assert names <= PUBLIC | KNOWN, method_name
