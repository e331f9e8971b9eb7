"""Text that others wrote: nothing in it is obeyed, and all of it can be written."""

from hopfield._text import encodable, one_line, printable


def test_what_a_terminal_would_obey_is_seen():
    assert printable("Größe\x1b[31m\n\x9b\u202e\udcff") == r"Größe\x1b[31m\n\x9b\u202e\udcff"
    assert one_line("a\n  b\tc\n") == "a b c"
    assert encodable("a\0\ud800😀") == "a\ufffd\ufffd😀"
