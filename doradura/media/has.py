"""What a link has, and which kinds of product that is enough for.

Owns the rule of each kind, which the child asks of a product that could not be made and the chat of a card's buttons.
How a kind is made is in child/products; like the table (`formats`), this must not import yt-dlp or run anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, assert_never

from doradura.media.formats import ProductKind

Lacks = Literal["", "video", "audio", "subtitles", "picture", "one_coding", "unlocked"]
"""What a link was found not to have. `one_coding`: its stream's parts are coded in several ways, or each has a clock of
its own. `unlocked`: it is copy-protected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Has:
    """What a link has; None if that is unknown."""

    film: bool | None = None
    sound: bool | None = None
    subtitles: bool | None = None
    picture: bool | None = None

    def offers(self, kind: ProductKind) -> bool:
        """Return whether a kind of product is offered.

        A film and a sound are, unless they are known to be missing. Most links have no subtitles and no picture: those
        are offered only if they were seen. A frame of a film is a picture.
        """
        match kind:
            case "video":
                return self.film is not False
            case "audio":
                return self.sound is not False
            case "subtitles":
                return self.subtitles is True
            case "picture":
                return self.picture is True or self.film is True
        assert_never(kind)

    def lacks(self, kind: ProductKind) -> Lacks:
        """Return what a kind of product needs and the link lacks while it has something else; "" in doubt."""
        film, sound = self.film is not False, self.sound is not False
        match kind:
            case "video":
                missing = sound and not film
            case "audio":
                missing = film and not sound
            case "subtitles":
                missing = (film or sound) and self.subtitles is False
            case "picture":
                missing = sound and not film and self.picture is False
            case _:
                assert_never(kind)
        return kind if missing else ""
