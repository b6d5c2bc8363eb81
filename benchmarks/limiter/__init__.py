"""Limiters side by side at the real Express with express-rate-limit, whose word counts."""
