"""One key in several processes: what share of the limit they reach together, and what they are refused."""
