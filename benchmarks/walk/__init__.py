"""The walk over a list that moves: what it loses, doubles and costs, beside the loops that everybody writes."""
