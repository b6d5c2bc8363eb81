"""The offset walk: what to ask and what to place (pure), and the pager that runs it with pages at once."""
