"""Decodes answers: rows typed, raw, or decoded on access; and answers other than lists (pure)."""
