"""Every kind of object but chats and messages: each field absent, null, or anything else, and the others unharmed."""

from __future__ import annotations

import json
from typing import Any, TypeAlias

import msgspec
import pytest
from hypothesis import given, strategies as st

import periskope_async.models as models_of_api
from periskope_async import decode
from periskope_async.decoding.objects import many_of, one_of, read_image, read_participants
from periskope_async.decoding.repair import Unreadable, repair
from periskope_async.errors import ConfigError, DecodeError, PartialFailure
from periskope_async.meta import ResponseMeta
from periskope_async.models import UNSET, UnsetType
from periskope_async.models.part import Part
from tests.decoding.samples import SAMPLES
from tests.reading import at_once

META = ResponseMeta(status=200)
ABSENT = object()
JUNK: list[object] = [
    *(None, ABSENT, True, 0, -1.5, 1e300, 10**400, 1737457813000),
    *("", "x", "true", "12", "2025-01-21", "[]", "{}", "a, b", "\x00"),
    *([], [1], ["a"], [None], [{}], {}, {"a": 1}, {"a": None}, {"a": {"a": []}}),
]
Place: TypeAlias = tuple[str | int, ...]
Field: TypeAlias = tuple[type[Part], Place, str, str]
"""What is read, the place of an object in it, and a field's name in Python and on the wire."""


def read(kind: type[Part], wire: object) -> Any:
    return at_once(one_of(kind)(json.dumps(wire, ensure_ascii=False).encode(), META))


def identity_of(kind: type[Part]) -> str | None:
    required = [field for field in msgspec.structs.fields(kind) if field.required]
    names = [field.encode_name for field in required if UnsetType not in getattr(field.type, "__args__", ())]
    return names[0] if names else None


def places(kind: type[Part], value: Part, place: Place = ()) -> list[Field]:
    """Every field of an object and of what lies in it."""
    found: list[Field] = []
    for field in msgspec.structs.fields(value):
        if field.name == "undecoded" or (place and field.required):
            # An object inside another that has lost its identity is kept raw as a whole.
            continue
        found.append((kind, place, field.name, field.encode_name))
        inner = getattr(value, field.name)
        if isinstance(inner, tuple) and inner and isinstance(inner[0], Part):
            found += places(kind, inner[0], (*place, field.encode_name, 0))
        elif isinstance(inner, Part):
            found += places(kind, inner, (*place, field.encode_name))
    return found


EVERY_FIELD = [found for kind, wire in SAMPLES.items() for found in places(kind, read(kind, wire))]
by_field = pytest.mark.parametrize("kind", SAMPLES, ids=lambda kind: kind.__name__)


def get(value: Any, place: Place) -> Any:
    for step in place:
        if isinstance(value, msgspec.Struct):
            names = {field.encode_name: field.name for field in msgspec.structs.fields(value)}
            value = getattr(value, names[str(step)])
        else:
            value = value[step]
    return value


def check(field: Field, sent: object) -> None:
    """Send one field otherwise: it is read, or kept raw, and nothing else changes."""
    kind, place, name, wire_name = field
    wire = json.loads(json.dumps(SAMPLES[kind]))
    holder = get(wire, place)
    holder.pop(wire_name, None)
    if sent is not ABSENT:
        holder[wire_name] = sent
    try:
        read_back = read(kind, wire)
    except UnicodeEncodeError:  # half a pair, that json.dumps has no escape for here
        return
    except Unreadable:
        # Only what tells an object from the others must be there.
        assert (place, wire_name) == ((), identity_of(kind))
        return
    part = get(read_back, place)
    value = getattr(part, name)
    if sent is ABSENT:
        assert value is UNSET
        assert part.undecoded == {}
    elif wire_name in part.undecoded:
        assert dict(part.undecoded) == {wire_name: sent}
        assert value is UNSET
    else:
        assert part.undecoded == {}
        assert value is not UNSET
        assert decode(msgspec.json.encode(read_back), type=kind) == read_back
        if sent is None:
            assert value is None
    assert without(read_back, place, wire_name) == without(read(kind, SAMPLES[kind]), place, wire_name)
    assert repair(kind, json.dumps(wire, ensure_ascii=False).encode(), "$") == read_back


def without(whole: Part, place: Place, wire_name: str) -> Any:
    plain = json.loads(msgspec.json.encode(whole))
    holder = get(plain, place)
    holder.pop(wire_name, None)
    holder.pop("undecoded", None)
    return plain


@by_field
def test_samples_have_every_field(kind: type[Part]) -> None:
    wire = SAMPLES[kind]
    names = {field.encode_name for field in msgspec.structs.fields(kind)} - {"undecoded"}
    assert set(wire) == names
    whole = read(kind, wire)
    assert whole.undecoded == {}
    sent_null = {field.name for field in msgspec.structs.fields(kind) if wire.get(field.encode_name, "") is None}
    for field in msgspec.structs.fields(kind):
        value = getattr(whole, field.name)
        assert value is not UNSET
        assert (value is None) == (field.name in sent_null)
    assert repair(kind, json.dumps(wire).encode(), "$") == whole


def test_every_model_has_a_sample() -> None:
    """Parts of others are read inside them; chats and messages have tests of their own."""
    inside: set[str] = {type(get(read(kind, SAMPLES[kind]), place)).__name__ for kind, place, _, _ in EVERY_FIELD}
    own_tests = {"Chat", "ChatMember", "AiMetadata", "SnoozeMetadata", "PinnedMessage", "Message", "DeliveryInfo"}
    own_tests |= {"FlagMetadata", "Dimensions", "ParticipantResults"}
    classes = [getattr(models_of_api, name) for name in models_of_api.__all__]
    kinds = {kind.__name__ for kind in classes if isinstance(kind, type) and issubclass(kind, Part)}
    assert kinds - inside <= own_tests


@by_field
def test_each_field_absent_null_or_junk(kind: type[Part]) -> None:
    for found in EVERY_FIELD:
        if found[0] is kind:
            for sent in JUNK:
                check(found, sent)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(EVERY_FIELD), JSON)
def test_each_field_with_anything(found: Any, sent: object) -> None:
    check(found, sent)


@given(st.sampled_from(list(SAMPLES)), st.dictionaries(st.text(alphabet="abc_").map("new_".__add__), JSON))
def test_unknown_fields_change_nothing(kind: type[Part], unknown: dict[str, Any]) -> None:
    assert read(kind, unknown | SAMPLES[kind]) == read(kind, SAMPLES[kind])


@by_field
def test_objects_are_hashable_where_they_have_an_identity(kind: type[Part]) -> None:
    if identity_of(kind) is not None and kind.__name__ not in {"BroadcastReceipt", "ChatAiSettings"}:
        assert len({read(kind, SAMPLES[kind]), read(kind, SAMPLES[kind])}) == 1


@by_field
@pytest.mark.parametrize("around", ["%s", "[%s]", '{"success":true,"message":"","data":%s}'])
def test_one_object_in_any_wrapping(kind: type[Part], around: str) -> None:
    body = (around % json.dumps(SAMPLES[kind])).encode()
    assert at_once(one_of(kind)(body, META)) == read(kind, SAMPLES[kind])
    assert at_once(many_of(kind)(body, META)) == [read(kind, SAMPLES[kind])]


def test_arrays_of_any_length() -> None:
    kind = models_of_api.Phone
    assert at_once(many_of(kind)(b"[]", META)) == []
    assert at_once(many_of(kind)(b'{"data":[]}', META)) == []
    rows = at_once(many_of(kind)(b'[{"phone_id":"a"},{"phone_id":"b","is_ready":7}]', META))
    assert [(row.phone_id, dict(row.undecoded)) for row in rows] == [("a", {}), ("b", {"is_ready": 7})]
    with pytest.raises(Unreadable, match="2 objects instead of one"):
        at_once(one_of(kind)(b'[{"phone_id":"a"},{"phone_id":"b"}]', META))
    with pytest.raises(Unreadable) as caught:
        at_once(many_of(kind)(b'[{"phone_id":"a"},{"phone_id":null}]', META))
    assert caught.value.path == "$[1].phone_id"


@pytest.mark.parametrize("body", [b"", b'{"phone_id":"a"', b'[{"phone_id":"a"},'])
def test_a_cut_body_is_said_to_be_cut(body: bytes) -> None:
    for reader in (one_of(models_of_api.Phone), many_of(models_of_api.Phone)):
        with pytest.raises(Unreadable) as caught:
            at_once(reader(body, META))
        assert caught.value.is_cut


@pytest.mark.parametrize("value", [True, False, "2.3000", "", None])
def test_a_field_of_two_types_is_read_as_sent(value: object) -> None:
    phone = read_bytes(json.dumps({"phone_id": "a", "legacy_version": value}).encode())
    assert (phone.legacy_version, dict(phone.undecoded)) == (value, {})


def test_half_a_character_is_mended() -> None:
    for text in (rb'{"phone_id":"a","phone_name":"\ud83d"}', b'{"phone_id":"a","phone_name":"\xff"}'):
        assert read_bytes(text).phone_name == "\ufffd"


def read_bytes(body: bytes) -> models_of_api.Phone:
    return at_once(one_of(models_of_api.Phone)(body, META))


def test_participants_by_their_id() -> None:
    body = b'{"1@c.us":{"is_success":true},"2@c.us":{"is_success":false,"message":"Not on WhatsApp","code":404},"3":{}}'
    results = at_once(read_participants(body, META))
    assert list(results.results) == ["1@c.us", "2@c.us", "3"]
    assert list(results.failed) == ["2@c.us", "3"]
    with pytest.raises(PartialFailure, match="2 of 3 failed") as caught:
        results.raise_for_failures()
    assert "2@c.us: Not on WhatsApp" in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [b"\x89PNG\r\n", b'{"type":"Buffer","data":[137,80,78,71,13,10]}', b"data:image/png;base64,iVBORw0K"],
)
def test_an_image_in_any_form(body: bytes) -> None:
    assert at_once(read_image(body, META)) == b"\x89PNG\r\n"


@pytest.mark.parametrize("one", ["from_me", "fromMe"])
@pytest.mark.parametrize("other", ["serialized", "_serialized"])
@pytest.mark.parametrize(("kind", "field"), [(models_of_api.Notification, "id"), (models_of_api.Reaction, "msg_id")])
def test_ids_in_every_spelling(kind: type[Part], field: str, one: str, other: str) -> None:
    """The spelling of the documents is read by the fast path, the others by the slow one: to the same effect."""
    sent = {"id": "3EB0", "remote": "a@g.us", one: True, other: "true_3EB0"}
    whole = read(kind, {**SAMPLES[kind], field: sent})
    found = getattr(whole, field)
    assert (found.from_me, found.serialized) == (True, "true_3EB0")
    assert whole.undecoded == found.undecoded == {}


CUT_EMOJI = r'{"phone_id": "a", "phone_name": "\ud83d"}'


@pytest.mark.parametrize(
    "data", [CUT_EMOJI, CUT_EMOJI.encode(), bytearray(CUT_EMOJI, "ascii"), CUT_EMOJI.replace(r"\ud83d", "\ud83d")]
)
def test_a_kept_object_is_mended_as_an_answer_is(data: Any) -> None:
    assert set(decode(data, type=models_of_api.Phone).phone_name or "") == {"\ufffd"}


def test_a_kept_object_that_cannot_be_read() -> None:
    with pytest.raises(DecodeError, match=r"a Phone cannot be read: is missing at \$\.phone_id") as caught:
        decode('{"phone_name": "x"}', type=models_of_api.Phone)
    assert (caught.value.path, caught.value.body_start) == ("$.phone_id", '{"phone_name": "x"}')
    with pytest.raises(DecodeError, match="expected an object, not a list"):
        decode(b"[]", type=models_of_api.Phone)
    with pytest.raises(ConfigError, match="data is a dict; give the JSON as bytes or str"):
        decode({"phone_id": "p"}, type=models_of_api.Phone)  # type: ignore[arg-type] # what is refused
    with pytest.raises(ConfigError, match=r"type is list\[.*Phone\]; give a model, such as Chat"):
        decode(b"[]", type=list[models_of_api.Phone])  # type: ignore[type-var] # what is refused
