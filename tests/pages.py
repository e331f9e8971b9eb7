"""Pages, taken apart."""

from html.parser import HTMLParser


class Page(HTMLParser):
    """Collects tags and text, and fails on what is not closed."""

    VOID = frozenset({"meta", "img", "source", "link", "br"})

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.text = [], [], []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)
