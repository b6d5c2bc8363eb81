"""This client beside what a user would pick instead, and beside what the machine allows."""
