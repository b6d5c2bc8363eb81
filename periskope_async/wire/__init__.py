"""The wire format without the wire (pure): typed parameters become requests, answers become values or errors."""
