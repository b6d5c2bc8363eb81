"""Measurements, each as a ratio taken side by side in one run: ``python -m benchmarks``."""
