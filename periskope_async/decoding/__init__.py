"""Bytes become objects: rows typed, as they were sent, or decoded when they are wanted; and other answers (pure)."""
