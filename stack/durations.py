"""Divides the durations of Prometheus and Alertmanager by a factor: a test sees in seconds what ships in minutes.

Pure text in, text out. It divides the durations of configuration keys, the ranges, subquery steps and offsets of
PromQL, and a plain number on a line of PromQL that ends in `# duration` or `# threshold, duration`. A range never
becomes shorter than four scrapes: rate() needs that many.
"""

from __future__ import annotations

import re

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_PART = r"\d+(?:ms|[smhdwy])"
_DURATION = rf"(?:{_PART})+"
_PROMQL = re.compile(
    r"""(?P<kept>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`|\#[^\n]*)"""
    rf"|\[\s*(?P<range>{_DURATION})\s*(?P<sub>:\s*(?P<step>{_DURATION})?\s*)?\]"
    rf"|\boffset\s+(?P<sign>-?)\s*(?P<offset>{_DURATION})",
)
_MARKED = re.compile(r"^(?P<code>.*?)(?P<mark>\s*#\s*(?:threshold,\s*)?duration\s*)$")
NUMBER = re.compile(r"(?<![\w.:\"'\[])\d+(?:\.\d+)?(?![\w.\]\"':])")
"""A number in PromQL that stands alone, not as part of a name, a duration or a text."""
LEAST_SCRAPES = 4


class DurationError(ValueError):
    """The text is not a duration, or a line does not have the one number that it announces."""


def seconds_of(text: str) -> float:
    """Parse a duration as Prometheus writes it: 1h30m, 15s, 500ms, 0. Raises DurationError."""
    if text == "0":
        return 0.0
    if not re.fullmatch(_DURATION, text):
        raise DurationError(f"{text!r} is not a duration such as 15s or 1h30m")
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|[smhdwy])", text))


def text_of(seconds: float) -> str:
    """Format a duration, in whole milliseconds if it is not a whole number of seconds; never 0 unless it is."""
    milliseconds = max(round(seconds * 1000), 1 if seconds > 0 else 0)
    return f"{milliseconds // 1000}s" if milliseconds % 1000 == 0 else f"{milliseconds}ms"


def divided(text: str, speed: float) -> str:
    """Divide one duration."""
    return text_of(seconds_of(text) / speed)


def promql(expression: str, speed: float, scrape_seconds: float) -> str:
    """Divide every duration in a PromQL expression. `scrape_seconds` is the divided scrape interval."""
    least = LEAST_SCRAPES * scrape_seconds

    def replace(found: re.Match[str]) -> str:
        if found["range"]:
            window = text_of(max(seconds_of(found["range"]) / speed, least))
            if found["step"]:
                return f"[{window}:{text_of(max(seconds_of(found['step']) / speed, scrape_seconds))}]"
            return f"[{window}:]" if found["sub"] else f"[{window}]"
        if found["offset"]:
            return f"offset {found['sign']}{divided(found['offset'], speed)}"
        return found[0]

    return "\n".join(_marked(line, speed) for line in _PROMQL.sub(replace, expression).split("\n"))


def _marked(line: str, speed: float) -> str:
    """Divide the number of a line that ends in `# duration`; any other line stays. Raises DurationError."""
    found = _MARKED.match(line)
    if found is None:
        return line
    numbers = NUMBER.findall(found["code"])
    if len(numbers) != 1:
        raise DurationError(f"{line.strip()!r} is marked as a duration and has {len(numbers)} numbers; it needs one")
    return NUMBER.sub(lambda number: f"{float(number[0]) / speed:g}", found["code"]) + found["mark"]
