"""Bytes become typed objects."""
