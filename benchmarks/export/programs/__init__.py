"""The contenders: each is a process of its own, and says on a line of JSON what its export took."""
