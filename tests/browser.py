"""A headless Chromium without a network, driven over the DevTools protocol: for tests of what runs in a page."""

import base64
import itertools
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


class Browser:
    """One page. Every request that is not a file or inline data is refused, and kept in `requests`."""

    def __init__(self, profile):
        websocket = pytest.importorskip("websocket", reason="the browser is driven through websocket-client, which is not here")
        program = next(filter(None, map(shutil.which, NAMES)), None)
        if program is None:
            pytest.skip(f"no browser: install Debian's chromium (looked for {', '.join(NAMES)})")
        command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--mute-audio"]
        command += [f"--user-data-dir={profile}", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "about:blank"]
        command += ["--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run", "--hide-scrollbars"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port_file = Path(profile) / "DevToolsActivePort"
        deadline = time.monotonic() + 600
        while not (port_file.exists() and port_file.read_text().count("\n")):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.close()
                pytest.skip(f"{program} does not start here")
            time.sleep(0.05)
        port, path = port_file.read_text().split("\n")[:2]
        environment = {name: os.environ.pop(name) for name in list(os.environ) if name.lower() in ("http_proxy", "all_proxy")}
        self.socket = websocket.create_connection(f"ws://127.0.0.1:{port}{path}", timeout=600, suppress_origin=True)
        os.environ.update(environment)
        self.numbers, self.session, self.events = itertools.count(1), None, []
        target = next(t for t in self.send("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.session = self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method, **params):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params}
        self.socket.send(json.dumps(message | ({"sessionId": self.session} if self.session else {})))
        while True:
            answer = json.loads(self.socket.recv())
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def open(self, path):
        self.events = []
        self.send("Page.navigate", url=Path(path).as_uri())
        deadline = time.monotonic() + 600
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path} did not load")
            self.run("0")
        return self

    def run(self, expression):
        """Value of a JavaScript expression; a promise is waited for."""
        answer = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("exception", answer["exceptionDetails"]))
        return answer["result"].get("value")

    def width(self, pixels, height=900):
        self.send("Emulation.setDeviceMetricsOverride", width=pixels, height=height, deviceScaleFactor=1, mobile=False)

    def media(self, **features):
        wanted = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.send("Emulation.setEmulatedMedia", features=wanted)

    def mouse(self, kind, x, y):
        self.send("Input.dispatchMouseEvent", type=f"mouse{kind}", x=x, y=y, button="left", buttons=1, clickCount=1)

    def drag(self, selector, share):
        """Press in the middle of a slider and move to a share of its width, as a hand does."""
        frames = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"  # what waits for one is done
        self.run(f"document.querySelector({selector!r}).scrollIntoView({{block: 'center', behavior: 'instant'}}); {frames}")
        box = f"document.querySelector({selector!r}).getBoundingClientRect()"
        x, y, w, h = self.run(f"(r => [r.x, r.y, r.width, r.height])({box})")
        self.mouse("Pressed", x + w / 2, y + h / 2)
        self.mouse("Moved", x + w * share, y + h / 2)
        self.mouse("Released", x + w * share, y + h / 2)
        self.run(frames)

    def key(self, name, code, modifiers=0):
        """Press a key; modifiers: 1 Alt, 2 Ctrl, 4 Meta, 8 Shift, added up."""
        for kind in ("keyDown", "keyUp"):
            event = {"type": kind, "key": name, "code": name, "windowsVirtualKeyCode": code, "modifiers": modifiers}
            self.send("Input.dispatchKeyEvent", **event)

    def picture(self, path):
        height = self.run("Math.ceil(document.documentElement.scrollHeight)")
        width = self.run("innerWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        data = self.send("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)["data"]
        Path(path).write_bytes(base64.b64decode(data))

    @property
    def requests(self):
        """Addresses that the page asked another host for."""
        sent = [event["params"] for event in self.events if event.get("method") == "Network.requestWillBeSent"]
        asked = [event["request"]["url"] for event in sent]
        return [address for address in asked if not address.startswith(("file:", "data:", "about:", "blob:"))]

    @property
    def complaints(self):
        """Errors of the page's scripts."""
        return [event["params"] for event in self.events if event.get("method") == "Runtime.exceptionThrown"]

    def close(self):
        self.process.terminate()
        self.process.wait(20)
