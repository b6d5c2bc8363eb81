"""The wire format without the wire (pure): typed parameters become requests, and answers values or errors."""
