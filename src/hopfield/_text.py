"""Text that others wrote, made fit for a terminal, for one line of a message and for UTF-8."""

import re


def printable(text: str) -> str:
    """The text with escapes for what a terminal would obey or hide: control characters, breaks."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def one_line(text: object) -> str:
    """What other libraries tell in several lines, in one."""
    return " ".join(str(text).split())


def encodable(text: str) -> str:
    """The text with U+FFFD for NUL, and for lone surrogates, which UTF-8 does not have."""
    return re.sub("[\0\ud800-\udfff]", "\ufffd", text)
