"""Headless Chromium without a network, by debugging socket: `python tests/browser.py PAGE OUT.png` takes a picture."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import websocket

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "latentlab"
AXE = CACHE / "node_modules" / "axe-core" / "axe.min.js"  # npm install --prefix ~/.cache/latentlab axe-core
QUIET = "--headless --no-sandbox --disable-gpu --no-first-run --disable-sync --disable-background-networking"
CUT = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"  # no name has an address, but this machine

# axe says nothing of a single character, nor of what reaches below its box's edge: so several of a kind stay.
TWINS = """{ const seen = {};
for (const e of [...document.querySelectorAll('.highlight span:not(:has(span))')].filter(e => e.checkVisibility())) {
  const kind = e.getAttribute('class');
  if (e.textContent.length > 1) seen[kind] = (seen[kind] || 0) + 1;
  if (e.textContent.length < 2 || seen[kind] > 9) e.replaceWith(e.textContent);
} }"""


class Browser:
    """One tab; `errors` are the console's complaints and `asked` the network's requests since `open`."""

    def __enter__(self):
        self.home = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        command = [
            CHROMIUM,
            *QUIET.split(),
            "--disable-component-update",
            CUT,
            "--remote-debugging-port=0",
            f"--user-data-dir={self.home.name}",
        ]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if found := re.search(r"ws://\S+", line):
                break
        self.socket = websocket.create_connection(found[0], timeout=60, suppress_origin=True)
        self.number, self.session, self.errors, self.asked, self.loaded = 0, {}, [], [], False
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = {"sessionId": attached["sessionId"]}
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *problem):
        self.socket.close()
        self.process.terminate()
        self.process.wait()
        self.process.stderr.close()
        self.home.cleanup()

    def call(self, method, **given):
        """Send one command; note what happens until its answer."""
        self.number += 1
        number = self.number
        self.socket.send(json.dumps({"id": number, "method": method, "params": given, **self.session}))
        while True:
            said = json.loads(self.socket.recv())
            if said.get("id") == number:
                assert "error" not in said, f"{method}: {said['error']}"
                return said["result"]
            self.note(said.get("method"), said.get("params", {}))

    def note(self, event, given):
        if event == "Runtime.exceptionThrown":
            self.errors.append(given["exceptionDetails"].get("exception", {}).get("description", str(given)))
        elif event == "Log.entryAdded" and given["entry"]["level"] == "error":
            self.errors.append(given["entry"]["text"] + " " + given["entry"].get("url", ""))
        elif event == "Runtime.consoleAPICalled" and given["type"] == "error":
            self.errors.append(str(given["args"]))
        elif event == "Network.requestWillBeSent":
            self.asked.append(given["request"]["url"])
        elif event == "Page.loadEventFired":
            self.loaded = True

    def open(self, path, width=1200, height=900, dark=False, anchor=""):
        """Open a file in a window of this size and wait until it has loaded."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url="about:blank")
        self.errors, self.asked, self.loaded = [], [], False
        self.call("Page.navigate", url=Path(path).resolve().as_uri() + anchor)
        until = time.monotonic() + 60
        while not self.loaded or self.js("document.readyState") != "complete":
            assert time.monotonic() < until, f"{path} does not load"
            self.js("1")
        return self

    def js(self, code):
        """The value of an expression in the page; a promise is awaited."""
        said = self.call("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    def type(self, selector, words):
        """Put the cursor into a field and type."""
        self.js(f"document.querySelector({selector!r}).focus()")
        self.call("Input.insertText", text=words)

    def picture(self, path):
        """What the window shows, as a PNG file."""
        Path(path).write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def axe(self):
        """What axe-core finds serious or critical: "rule: first elements".

        Changes the page first: nine coloured words of code of each kind stay, the others become plain text. Thousands
        of them take most of axe's time and differ in nothing it sees.
        """
        self.js(AXE.read_text(encoding="utf-8") + ";1")
        self.js(TWINS)
        found = self.js("axe.run({resultTypes: ['violations']}).then(r => r.violations)")
        return [
            f"{v['id']} ({len(v['nodes'])}): "
            + " | ".join(n["html"][:150] + " " + n["failureSummary"][:300] for n in v["nodes"][:3])
            for v in found
            if v["impact"] in ("serious", "critical")
        ]


if __name__ == "__main__":
    page, out, *more = sys.argv[1:]
    with Browser() as browser:
        width, height, dark, scroll = [*map(int, more), *[1200, 900, 0, 0][len(more) :]]
        browser.open(page.partition("#")[0], width, height, bool(dark), "#" + page.partition("#")[2])
        browser.js(f"scrollBy(0, {scroll})")
        time.sleep(0.3)
        browser.picture(out)
        print(browser.errors, browser.axe() if AXE.exists() else "no axe-core")
