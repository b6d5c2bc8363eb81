"""The offset walk: a pure state machine, and a pager to run it with concurrent pages."""
