"""Looks at a page as a person with a 1280x800 window and without script would: look.py URL TEXT...

Opens the page in a headless Chromium through its debugging pipe, with script switched off, and prints for each text where it stands. Exit 1
when a text is not wholly within the first 1280x800; 3 when there is no Chromium.
"""
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

WIDTH, HEIGHT, LIMIT = 1280, 800, 60


class Browser:
    """Speaks to a Chromium: NUL-terminated JSON on its descriptors 3 and 4."""

    def __init__(self, program, profile):
        to_browser, self.commands = os.pipe()
        self.answers, from_browser = os.pipe()

        def place():  # the browser expects exactly these numbers
            first, second = os.dup(to_browser), os.dup(from_browser)
            os.dup2(first, 3)
            os.dup2(second, 4)

        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--no-proxy-server",
             f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, close_fds=False, preexec_fn=place,
            start_new_session=True, env=os.environ | {"HOME": profile, "XDG_RUNTIME_DIR": profile, "DBUS_SESSION_BUS_ADDRESS": "disabled:"})
        os.close(to_browser)
        os.close(from_browser)
        self.number, self.rest, self.session = 0, b"", None
        self.until = time.monotonic() + LIMIT

    def read(self):
        while b"\0" not in self.rest:
            left = self.until - time.monotonic()
            if left <= 0 or not select.select([self.answers], [], [], left)[0]:
                sys.exit("the browser does not answer")
            more = os.read(self.answers, 1 << 16)
            if not more:
                sys.exit("the browser ended")
            self.rest += more
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.number += 1
        command = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            command["sessionId"] = self.session
        os.write(self.commands, json.dumps(command).encode() + b"\0")
        while True:
            message = self.read()
            if message.get("id") == self.number:
                if "error" in message:
                    raise RuntimeError(f'{method}: {message["error"]["message"]}')
                return message["result"]

    def wait_for(self, event):
        while self.read().get("method") != event:
            pass

    def close(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def open_page(browser, url):
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    browser.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    browser.call("Page.enable")
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    browser.call("Emulation.setDeviceMetricsOverride", width=WIDTH, height=HEIGHT, deviceScaleFactor=1, mobile=False)
    answer = browser.call("Page.navigate", url=url)
    if "errorText" in answer:
        sys.exit(f'{url}: {answer["errorText"]}')
    browser.wait_for("Page.loadEventFired")


def boxes_of(browser, text):
    """(left, top, right, bottom) of each place that shows the text."""
    browser.call("DOM.getDocument", depth=-1)
    search = browser.call("DOM.performSearch", query=text)
    if search["resultCount"] == 0:
        return []
    found = []
    nodes = browser.call("DOM.getSearchResults", searchId=search["searchId"], fromIndex=0, toIndex=search["resultCount"])["nodeIds"]
    for node in nodes:
        try:
            for quad in browser.call("DOM.getContentQuads", nodeId=node)["quads"]:
                found.append((min(quad[0::2]), min(quad[1::2]), max(quad[0::2]), max(quad[1::2])))
        except RuntimeError:
            continue  # an attribute, a title: nothing that is drawn
    return found


def is_in_sight(box):
    return box[0] >= 0 and box[1] >= 0 and box[2] <= WIDTH and box[3] <= HEIGHT and box[2] > box[0] and box[3] > box[1]


def main():
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        print("no chromium on this machine")
        return 3
    missed = 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(program, profile)
        try:
            open_page(browser, sys.argv[1])
            for text in sys.argv[2:]:
                boxes = boxes_of(browser, text)
                seen = [box for box in boxes if is_in_sight(box)]
                missed += not seen
                where = "at %d,%d" % seen[0][:2] if seen else "NOT IN SIGHT: " + (", ".join("%d,%d" % box[:2] for box in boxes) or "nowhere")
                print(f"{text!r}: {where}")
        finally:
            browser.close()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
