"""The rate limit: what the headers say, the budget that follows from it, and the gate that tasks wait at."""
