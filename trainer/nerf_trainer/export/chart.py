"""A line chart as SVG, to be put into a page. Its colours are those of the page's text."""

from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 480, 220
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 32, 32
#: The values' range is widened by this share, so that the curve does not touch the frame.
MARGIN = 0.08
LINES = 4


def line_chart(title: str, x: Sequence[float], y: Sequence[float]) -> str:
    """A curve through the points, with a dot at each, and lines to read values by."""
    low, high = min(y), max(y)
    margin = (high - low) * MARGIN or abs(high) * MARGIN or 1.0
    low, high = low - margin, high + margin
    first, last = x[0], max(x[-1], x[0] + 1)

    def place(a: float, b: float) -> tuple[float, float]:
        across = LEFT + (a - first) / (last - first) * (WIDTH - LEFT - RIGHT)
        return across, HEIGHT - BOTTOM - (b - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    points = [place(a, b) for a, b in zip(x, y, strict=True)]
    levels = [low + (high - low) * i / LINES for i in range(LINES + 1)]
    return "".join(
        [
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
            f'<text x="{LEFT}" y="18" class="title">{escape(title)}</text>',
            *(_level(level, place(first, level)[1]) for level in levels),
            _text(LEFT, HEIGHT - 10, f"{first:,}", "start"),
            _text(WIDTH - RIGHT, HEIGHT - 10, f"step {x[-1]:,}", "end"),
            f'<polyline points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in points)}"/>',
            *(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3"/>' for a, b in points),
            "</svg>",
        ]
    )


def _level(value: float, y: float) -> str:
    line = f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return line + _text(LEFT - 8, y + 4, f"{value:.4g}", "end")


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
