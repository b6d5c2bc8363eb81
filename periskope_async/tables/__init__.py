"""Rows as tables: columns for every typed format, and Arrow record batches (pure)."""
