"""Bytes become rows: typed, as they were sent, or decoded when they are wanted (pure)."""
