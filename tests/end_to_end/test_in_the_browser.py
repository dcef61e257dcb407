"""The page of examples/07-in-the-browser draws in a real browser what the model draws."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "07-in-the-browser"
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")

# A person who waits until the page is ready, chooses the second sentence and draws.
VISITOR = """<!doctype html><iframe id="page" src="index.html"></iframe><script>
const page = document.getElementById("page");
const send = (found) => fetch("/seen", { method: "POST", body: JSON.stringify(found) });
setInterval(() => {
  const inside = page.contentDocument, draw = inside.getElementById("draw"), told = inside.getElementById("told");
  if (!draw || draw.disabled || window.done) return;
  if (!window.clicked) { window.clicked = true; inside.getElementById("prompt").value = 1; draw.click(); return; }
  if (!told.textContent.startsWith("Drawn")) return;
  window.done = true;
  const canvas = inside.getElementById("picture");
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const prompts = [...inside.getElementById("prompt").options].map((each) => each.text);
  send({ told: told.textContent, side: canvas.width, prompts, pixels: [...data] });
}, 100);
</script>"""


class Site(SimpleHTTPRequestHandler):
    """Static files, and a mailbox for what the visitor saw."""

    seen: Queue[dict[str, Any]]

    def do_POST(self) -> None:
        self.seen.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.skipif(BROWSER is None or shutil.which("npm") is None, reason="needs Chromium and npm")
def test_the_page_draws_a_picture(tmp_path: Path, run_example: Callable[[Path], Any]) -> None:
    assert BROWSER is not None
    run_example(EXAMPLE)
    site = tmp_path / "07-site"
    if not (site / "ort" / "ort.wasm.min.js").is_file():
        pytest.skip("onnxruntime-web cannot be had")
    (site / "visitor.html").write_text(VISITOR)
    handler = type("Handler", (Site,), {"seen": Queue()})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}/visitor.html"
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        browser = subprocess.Popen(
            [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", profile, address],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            seen = handler.seen.get(timeout=120)
        finally:
            browser.terminate()
            browser.wait(timeout=30)
            server.shutdown()
    assert seen["prompts"][1] == "a large blue bird with black wings"
    assert "on this machine alone" in seen["told"]
    assert seen["side"] == 64
    pixels = seen["pixels"]
    channels = [pixels[channel::4] for channel in range(3)]
    assert set(pixels[3::4]) == {255}
    # A picture has light and dark places in every channel; a failed one is of one colour.
    assert all(max(channel) - min(channel) > 60 for channel in channels)
