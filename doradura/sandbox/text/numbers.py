"""Reads whole numbers as the Bot API server does. Pure."""

from __future__ import annotations

INTEGER_LIMIT = 2**63 - 1
_INTEGER_DIGITS = 19


def leading_integer(text: str) -> int:
    """Read an integer as the server does: what follows the digits is ignored, and no digits are 0.

    What is over 64 bits becomes the largest number there is: the digits may be as many as a body may hold.
    """
    text = text.strip()
    sign = text[:1] if text[:1] in {"-", "+"} else ""
    digits = ""
    for character in text[len(sign) :]:
        if character not in "0123456789":
            break
        digits += character
    digits = digits.lstrip("0")
    number = INTEGER_LIMIT if len(digits) > _INTEGER_DIGITS else min(int(digits or "0"), INTEGER_LIMIT)
    return -number if sign == "-" else number
