"""The rate limit: its headers, the budget derived from them, and the gate for the waiting tasks."""
