"""The contenders: each module is a program of its own, run in its own process as ``python -m … '<job>'``."""
