"""Drawing for browsers and other programs over HTTP: a page, a small JSON API, and one thread that draws."""
