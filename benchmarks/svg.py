"""What the benchmarks' pictures share: their colours, and a white card that reads on any page."""

from __future__ import annotations

from xml.sax.saxutils import escape

__all__ = ["FAINT", "INK", "PALE", "RED", "SOFT", "STRONG", "open_card"]

INK, SOFT, FAINT, PALE, STRONG, RED = "#1f2328", "#59636e", "#d1d9e0", "#e3ecf7", "#1f5fae", "#d1242f"
_FONT = "font-family=\"system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif\""


def open_card(width: int, height: int, title: str) -> list[str]:
    """Begin an SVG with its title; the caller adds the rest and ``</svg>``. Lengths are in pixels."""
    return [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'role="img" aria-labelledby="title" {_FONT} font-size="13" fill="{INK}">'
        ),
        f'<title id="title">{escape(title)}</title>',
        f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="10" fill="#ffffff" stroke="{FAINT}"/>',
        f'<text x="24" y="34" font-size="17" font-weight="600">{escape(title)}</text>',
    ]
