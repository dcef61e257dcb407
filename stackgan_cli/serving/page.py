"""The page: one file that fetches nothing from elsewhere, and what browsers are told that it may do."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files

_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


@cache
def page() -> str:
    """The page as HTML."""
    return (files("stackgan_cli.serving") / "page.html").read_text(encoding="utf-8")


@cache
def policy() -> str:
    """Content security policy: the script and the style of the page run, and no other (CSP Level 3, section 8.4).

    Pictures are what the script makes of answers, and nothing is asked of anybody but this server.
    """
    hashes = {"script": "", "style": ""}
    for kind, text in _INLINE.findall(page()):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
        hashes[kind] += f" 'sha256-{digest}'"
    allowed = [f"{kind}-src{each}" for kind, each in hashes.items()]
    nothing = [f"{kind} 'none'" for kind in ("default-src", "base-uri", "form-action", "frame-ancestors")]
    return "; ".join([*nothing, *allowed, "img-src blob: data:", "connect-src 'self'"])
