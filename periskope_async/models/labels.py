"""Labels as the wire has them: names in a list or a text, ids in a map or a list."""

from typing import Annotated, TypeAlias

from msgspec import Meta

from periskope_async.models.unset import Maybe

__all__ = ["LabelIds", "LabelNames", "active_ids"]

LabelNames: TypeAlias = Annotated[tuple[str, ...], Meta(extra={"comma_separated": True})]
"""Names of labels. A text with commas between the names is read too."""

LabelIds: TypeAlias = dict[str, bool] | tuple[str, ...]
"""As sent: a map from label id to true, or a list of label ids."""


def active_ids(label_ids: Maybe[LabelIds]) -> frozenset[str]:
    """Give the true ids; none if the field is absent or null."""
    if isinstance(label_ids, dict):
        return frozenset(label_id for label_id, is_on in label_ids.items() if is_on)
    return frozenset(label_ids or ())
