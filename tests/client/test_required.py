"""None is no value for an argument that is required: it was once left out of the body in silence."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import ConfigError, PeriskopeClient, Poll
from tests.flow.every_write import CHAT, WRITES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Recorder:
    """Keeps the arguments of a call, by their names."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Callable[..., None]:
        def call(*arguments: Any, **named: Any) -> None:
            self.given = inspect.signature(getattr(PeriskopeClient, name)).bind(None, *arguments, **named).arguments
            del self.given["self"]

        return call


def required() -> Iterator[tuple[str, str]]:
    for name in WRITES:
        for parameter in list(inspect.signature(getattr(PeriskopeClient, name)).parameters.values())[1:]:
            if parameter.default is parameter.empty:
                yield name, parameter.name


@pytest.mark.parametrize(("name", "parameter"), list(required()))
async def test_none_for_a_required_argument_is_refused(name: str, parameter: str) -> None:
    recorder: Any = Recorder()
    WRITES[name](recorder)
    # Port 9 of this machine has no listener: another error would be raised if anything was sent.
    async with PeriskopeClient("key", base_url="http://127.0.0.1:9/v1") as client:
        with pytest.raises(ConfigError, match="is None"):
            await getattr(client, name)(**{**recorder.given, parameter: None})


FLAGS: dict[str, Callable[[Any], Any]] = {
    "an access": lambda client: client.set_chat_access([CHAT], {"a@example.com": None}),
    "replace": lambda client: client.set_chat_access([CHAT], {"a@example.com": True}, replace=None),
    "is_multiple": lambda client: client.send_message(CHAT, poll=Poll("A?", ["B", "C"], is_multiple=None)),  # type: ignore[arg-type] # a slip
    "everything": lambda client: client.purge_queue(everything=None),
}


@pytest.mark.parametrize("name", FLAGS)
async def test_none_for_a_flag_without_that_choice_is_refused(name: str) -> None:
    async with PeriskopeClient("key", base_url="http://127.0.0.1:9/v1") as client:
        with pytest.raises(ConfigError, match="is None; it takes True or False"):
            await FLAGS[name](client)
