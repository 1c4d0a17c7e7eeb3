"""Log-log curves as SVG: small files that show well on light and dark pages."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 16, 48  # margins; names stand on the right
_COLOURS = ("#d1495b", "#2e86ab", "#3a9d5d", "#e08e1b", "#8e6bbf", "#7d7d7d", "#00a6a6")
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #333 }
line { stroke: #888; stroke-opacity: 0.3 }
polyline { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) { text { fill: #ddd } }
"""
_LINE_HEIGHT = 16


class Curve(NamedTuple):
    """A name and points; all numbers are above zero."""

    name: str
    points: list[tuple[float, float]]


class Axis(NamedTuple):
    """Where a number stands on one axis, in pixels, from one power of ten to another."""

    low: int
    high: int
    start: float
    end: float

    def at(self, value: float) -> float:
        """The place of a number."""
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        """The powers of ten."""
        return [10.0**power for power in range(self.low, self.high + 1)]


def axis(values: list[float], start: float, end: float) -> Axis:
    """The axis that values fit on."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return Axis(low, max(high, low + 1), start, end)


def draw(curves: list[Curve], x_name: str, y_name: str) -> str:
    """The picture, as the text of an SVG file."""
    points = [point for curve in curves for point in curve.points]
    x = axis([point[0] for point in points], LEFT, WIDTH - RIGHT)
    y = axis([point[1] for point in points], HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"',
        f' width="{WIDTH}" height="{HEIGHT}" role="img"><style>{_STYLE}</style>\n',
        *_grid(x, y),
        f'<text x="{(x.start + x.end) / 2}" y="{HEIGHT - 10}" text-anchor="middle">{x_name}</text>\n',
        f'<text transform="translate(16 {(y.start + y.end) / 2}) rotate(-90)"',
        f' text-anchor="middle">{escape(y_name)}</text>\n',
        *_lines(curves, x, y),
        "</svg>\n",
    ]
    return "".join(parts)


def _grid(x: Axis, y: Axis) -> Iterator[str]:
    for value in x.ticks():
        at = x.at(value)
        yield f'<line x1="{at}" x2="{at}" y1="{y.start}" y2="{y.end}"/>'
        yield f'<text x="{at}" y="{y.start + 18}" text-anchor="middle">{_short(value)}</text>\n'
    for value in y.ticks():
        at = y.at(value)
        yield f'<line x1="{x.start}" x2="{x.end}" y1="{at}" y2="{at}"/>'
        yield f'<text x="{x.start - 8}" y="{at + 4}" text-anchor="end">{_short(value)}</text>\n'


def _lines(curves: list[Curve], x: Axis, y: Axis) -> Iterator[str]:
    names = _apart({curve.name: y.at(curve.points[-1][1]) for curve in curves})
    for number, (name, points) in enumerate(curves):
        colour = _COLOURS[number % len(_COLOURS)]
        placed = [(x.at(first), y.at(second)) for first, second in points]
        path = " ".join(f"{first},{second}" for first, second in placed)
        yield f'<polyline points="{path}" stroke="{colour}"/>'
        yield from (f'<circle cx="{a}" cy="{b}" r="3" fill="{colour}"/>' for a, b in placed)
        style = f'style="fill: {colour}"'
        yield f'<text x="{x.end + 10}" y="{names[name] + 4}" {style}>{escape(name)}</text>\n'


def _apart(places: dict[str, float]) -> dict[str, float]:
    """The places of names, moved down until none covers another."""
    result, last = {}, -math.inf
    for name, place in sorted(places.items(), key=lambda item: item[1]):
        last = result[name] = max(place, last + _LINE_HEIGHT)
    return result


def _short(value: float) -> str:
    for power, letter in ((1e6, "M"), (1e3, "k")):
        if value >= power:
            return f"{value / power:g}{letter}"
    return f"{value:g}"
