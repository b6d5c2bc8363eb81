"""Late rows, where the walk looks for them: they are decoding's."""

from periskope_async.decoding.late_rows import LateRows, Parts, next_batch

__all__ = ["LateRows", "Parts", "next_batch"]
