"""The page of ``stackgan serve`` in a real browser: typed, clicked, looked at, with keys alone, and on a phone."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import httpx2
import pytest

from stackgan_cli.pictures.picture_files import read_facts

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
if BROWSER is None or shutil.which("bash") is None:
    pytest.skip("needs Chromium", allow_module_level=True)

PATIENCE = 120.0
KEYS = {"Enter": 13, "Tab": 9, "ArrowRight": 39, "ArrowLeft": 37, "Home": 36}


class Tab:
    """A page in a headless Chromium, commanded over the pipe of its DevTools protocol."""

    def __init__(self, folder: Path) -> None:
        assert BROWSER is not None
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
        # It reads commands from 3 and writes to 4.
        script = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        self._process = subprocess.Popen(
            ["bash", "-c", script, "-", BROWSER, *options, f"--user-data-dir={folder / 'profile'}", "about:blank"],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._answers: Queue[dict[str, Any]] = Queue()
        self._number, self._session = 0, ""
        self.faults: list[str] = []
        """What the console shows as errors."""
        self.fetched: list[str] = []
        """Every address that was asked for."""
        threading.Thread(target=self._listen, daemon=True).start()
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility", "DOM"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        """End the browser."""
        self._process.terminate()
        self._process.wait(timeout=60)
        os.close(self._out)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Give a command, and wait for what comes of it."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            try:
                answer = self._answers.get(timeout=PATIENCE)
            except Empty:
                pytest.fail(f"The browser does not answer {method}.")
            if answer["id"] == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def _listen(self) -> None:
        with os.fdopen(self._in, "rb") as pipe:
            rest = b""
            while part := pipe.read1(1 << 20):
                *whole, rest = (rest + part).split(b"\0")
                for each in map(json.loads, whole):
                    self._hear(each)

    def _hear(self, message: dict[str, Any]) -> None:
        if "id" in message:
            self._answers.put(message)
        elif message["method"] == "Network.requestWillBeSent":
            self.fetched.append(message["params"]["request"]["url"])
        elif message["method"] == "Runtime.exceptionThrown":
            self.faults.append(str(message["params"]["exceptionDetails"]))
        elif message["method"] == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
            self.faults.append(message["params"]["entry"]["text"])

    def open(self, address: str) -> None:
        """Go to a page, and wait until it can be used."""
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=address)
        self.wait("document.readyState === 'complete' && typeof at === 'function'")

    def value(self, expression: str) -> Any:
        """What a JavaScript expression is."""
        done = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def wait(self, expression: str) -> None:
        """Wait until a JavaScript expression is true."""
        end = time.monotonic() + PATIENCE
        while not self.value(expression):
            if time.monotonic() > end:
                pytest.fail(f"Never came true: {expression}; the page says {self.value('document.body.innerText')!r}")
            time.sleep(0.05)

    def click(self, selector: str) -> None:
        """Click where an element is."""
        box = f"document.querySelector({json.dumps(selector)})"
        self.value(f"{box}.scrollIntoView({{block: 'center'}})")
        x, y = self.value(
            f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])({box}.getBoundingClientRect())"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str) -> None:
        """Press a key and let it go."""
        text = {"text": "\r"} if key == "Enter" else {}
        code = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
        self.call("Input.dispatchKeyEvent", type="keyDown", **code, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **code)

    def type_over(self, text: str) -> None:
        """Type into the field that has the focus, in place of what is there."""
        self.value("document.activeElement.select()")
        self.call("Input.insertText", text=text)

    def picture(self, file: Path, height: int = 900) -> None:
        """Take a screenshot."""
        clip = {"x": 0, "y": 0, "width": self.value("innerWidth"), "height": height, "scale": 1}
        taken = self.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(taken["data"]))


@pytest.fixture(scope="module")
def server(start_server: Callable[..., Any]) -> Any:
    """A server of the model ``birds``."""
    return start_server("--model", "birds")


@pytest.fixture
def tab(tmp_path: Path) -> Iterator[Tab]:
    """A browser's tab, of which nothing is wrong at the end."""
    tab = Tab(tmp_path)
    yield tab
    tab.close()


def drawn(tab: Tab) -> list[list[Any]]:
    """Every picture on the page that has been loaded: its words, its side, how far its colours go."""
    return tab.value(
        """Promise.all([...document.querySelectorAll("#pictures img")].map(async (img) => {
          await img.decode();
          const canvas = document.createElement("canvas"), side = canvas.width = canvas.height = img.naturalWidth;
          const context = canvas.getContext("2d");
          context.drawImage(img, 0, 0);
          const pixels = context.getImageData(0, 0, side, side).data.filter((_, at) => at % 4 < 3);
          pixels.sort();
          return [img.alt, side, pixels.at(-1) - pixels[0]];
        }))"""
    )


def test_a_sentence_becomes_pictures_with_their_sketches(server: Any, tab: Tab, tmp_path: Path) -> None:
    tab.open(server.address)
    tab.wait("document.activeElement.id === 'prompt' && models.length > 1")
    tab.type_over("a small blue bird")
    tab.click("#count")
    tab.type_over("2")
    tab.click("#seed")
    tab.type_over("7")
    tab.click("summary")
    tab.value("at('condition').value = 'mean'")
    tab.click("#truncation")
    tab.type_over("0.5")
    tab.click("#draw button")
    tab.wait("document.querySelectorAll('#pictures figure').length === 2")
    seen = drawn(tab)
    words = [f"Stage-{stage}: a small blue bird, seed {seed}" for seed in (7, 8) for stage in ("I", "II")]
    assert [each[:2] for each in seen] == [[word, side] for word, side in zip(words, (16, 64) * 2, strict=True)]
    assert all(contrast > 20 for *_, contrast in seen)
    assert tab.value("at('status').textContent").startswith("2 pictures by birds")
    tab.picture(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 10_000

    tab.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path / "kept"))
    tab.click("#pictures a[download$='-8.png']")
    kept = tmp_path / "kept" / "a-small-blue-bird-8.png"
    end = time.monotonic() + PATIENCE
    while not kept.is_file() and time.monotonic() < end:
        time.sleep(0.05)
    asked = {"prompt": "a small blue bird", "seed": 8, "condition": "mean", "truncation": 0.5}
    answer = httpx2.post(f"{server.address}/api/generate", json=asked, timeout=60).json()["pictures"][0]
    assert kept.read_bytes() == base64.b64decode(answer["file"]["content"])
    assert read_facts(kept)["prompt"] == "a small blue bird"
    assert tab.faults == []
    assert all(each.startswith((f"{server.address}/", "blob:", "data:", "about:")) for each in tab.fetched)


def test_keys_alone_lead_everywhere_and_along_the_way(server: Any, tab: Tab) -> None:
    tab.open(server.address)
    tab.wait("document.activeElement.id === 'prompt' && models.length > 1")
    visited = []
    for _ in range(10):
        tab.press("Tab")
        visited.append(tab.value("document.activeElement.id || document.activeElement.textContent"))
    assert visited == ["model", "stage", "count", "seed", "More", "Draw", "start", "end", "Draw the way", "api"]

    tab.value("at('start').focus()")
    tab.type_over("a red bird")
    tab.press("Tab")
    tab.type_over("a blue bird")
    tab.press("Enter")
    tab.wait("document.activeElement.id === 'place'")
    state = "[at('place').getAttribute('aria-valuetext'), at('frame').alt, at('frame').src, at('frame-file').download]"
    tab.press("Home")
    first = tab.value(state)
    assert first[:2] == ["a red bird", "a red bird"]
    tab.press("ArrowRight")
    second = tab.value(state)
    assert second[0] == "6 % of the way from “a red bird” to “a blue bird”"
    assert second[2] != first[2]
    assert second[3].endswith("-2-of-17.png")
    tab.press("ArrowLeft")
    assert tab.value(state) == first
    assert tab.value("at('frame').decode().then(() => at('frame').naturalWidth)") == 64
    assert tab.value("at('way-file').download").endswith(".webp")
    assert tab.faults == []


def names(tab: Tab) -> dict[str, list[str]]:
    """What a screen reader calls everything that can be used, by its role."""
    found: dict[str, list[str]] = {}
    for node in tab.call("Accessibility.getFullAXTree")["nodes"]:
        role, name = node.get("role", {}).get("value"), node.get("name", {}).get("value", "")
        if role in ("textbox", "combobox", "spinbutton", "slider", "button", "link", "image") and not node["ignored"]:
            found.setdefault(role, []).append(name)
    return found


CONTRAST = """(() => {
  const linear = (each) => (each /= 255) <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4;
  const light = (colour) => { const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map(linear);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (node) => { const colour = getComputedStyle(node).backgroundColor;
    return colour.startsWith("rgba") && colour.endsWith(" 0)") ? behind(node.parentElement) : colour; };
  const visible = [...document.querySelectorAll("body *")].filter((node) => node.checkVisibility()
    && [...node.childNodes].some((each) => each.nodeType === 3 && each.data.trim()));
  return Math.min(...visible.map((node) => { const pair = [getComputedStyle(node).color, behind(node)].map(light);
    return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05); }));
})()"""


def test_everything_has_a_name_fits_a_phone_and_can_be_read_by_day_and_by_night(server: Any, tab: Tab) -> None:
    tab.call("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=2, mobile=True)
    tab.open(server.address)
    tab.wait("models.length > 1")
    tab.click("#draw button")
    tab.wait("document.querySelectorAll('#pictures figure').length === 4")
    tab.click("#way button")
    tab.wait("!at('walk').hidden")
    tab.value("complain({ message: 'What happened.', hint: 'What to do.' })")
    called = names(tab)
    assert all(name.strip() for each in called.values() for name in each), called
    assert {"Sentence", "From", "To"} <= set(called["textbox"])
    assert called["slider"] == ["Place on the way"]
    assert len(set(called["link"])) == len(called["link"])
    assert tab.value("document.scrollingElement.scrollWidth") <= 360
    assert tab.value("Math.min(...['draw', 'way'].map((id) => at(id).querySelector('button').offsetHeight))") >= 44
    grounds = []
    for scheme in ("light", "dark"):
        tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        assert tab.value(CONTRAST) >= 4.5
        grounds.append(tab.value("getComputedStyle(document.body).backgroundColor"))
    assert grounds[0] != grounds[1]
    assert tab.faults == []


def test_a_hostile_sentence_is_shown_as_it_is_typed(server: Any, tab: Tab) -> None:
    tab.open(server.address)
    tab.wait("document.activeElement.id === 'prompt' && models.length > 1")
    sentence = '<img src=x onerror="window.caught = 1"><script>window.caught = 2</script> bird'
    tab.type_over(sentence)
    tab.press("Enter")
    tab.wait("document.querySelectorAll('#pictures figure').length === 4")
    assert tab.value("document.querySelector('figcaption').textContent").startswith(sentence)
    assert tab.value("document.querySelectorAll('#pictures img').length") == 8
    assert tab.value("window.caught === undefined")
    assert tab.faults == []


def test_the_token_is_asked_for_and_what_goes_wrong_is_said(start_server: Callable[..., Any], tab: Tab) -> None:
    server = start_server("--model", "birds", "--host", "0.0.0.0")
    address = f"http://127.0.0.1:{server.address.rpartition(':')[2]}"
    tab.open(address)
    tab.wait("!at('entry').hidden")
    assert tab.value("at('fault').textContent").startswith("The token is missing or wrong.")
    tab.click("#token")
    tab.type_over(server.token)
    tab.press("Enter")
    tab.wait("models.length > 1 && at('entry').hidden && at('fault').hidden")
    tab.value("sessionStorage.clear()")
    tab.open(f"{address}/#token={server.token}")
    tab.wait("models.length > 1")
    assert tab.value("location.href") == f"{address}/"
    tab.click("#draw button")
    tab.wait("document.querySelectorAll('#pictures figure').length === 4")
    server.stop()
    tab.click("#draw button")
    tab.wait("!at('fault').hidden")
    assert tab.value("at('fault').textContent").startswith("The server does not answer.")
