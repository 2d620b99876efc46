#!/usr/bin/env python3
"""A report in a real browser: browser_test.py REPORT.html [--chromium PROGRAM] [--screenshots FOLDER]

Checks, with Chromium over its debugging pipe and nothing but the standard library:
- the first screen is the same pixel for pixel with scripts on and off, on a desk and on a phone, light and dark
- no error on the console, no violation of the page's policy, no dialog, no request but the file itself
- text that looks like markup stays text, and no element comes from it
- nothing sticks out sideways on a screen of 360 pixels; every heading and table can be told apart
- a table sorts and says so; a link to a way opens its timeline; a timeline zooms by mouse and keys, and closes again
- on paper (PDF) the verdict is there in words, and the light palette
Exit status: 0 all holds, 1 something does not, 77 there is no Chromium.
"""

import argparse
import base64
import json
import os
import pathlib
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
         "--disable-dev-shm-usage", "--force-device-scale-factor=1"]
DESK, PHONE, NARROW = (1280, 800), (390, 844), (360, 740)


class Browser:
    """Chromium with a profile of its own; commands by name, events kept in order."""

    def __init__(self, program):
        self.profile = tempfile.mkdtemp(prefix="weighbridge-browser-")
        read_end, self.commands = os.pipe()
        self.answers, write_end = os.pipe()

        def pipes():  # the browser reads commands from descriptor 3 and writes answers to 4
            source, sink = os.dup(read_end), os.dup(write_end)
            os.dup2(source, 3)
            os.dup2(sink, 4)
            os.close(source) if source not in (3, 4) else None
            os.close(sink) if sink not in (3, 4) else None

        self.process = subprocess.Popen([program, *FLAGS, "--user-data-dir=" + self.profile, "about:blank"],
                                        preexec_fn=pipes, close_fds=False, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(read_end)
        os.close(write_end)
        self.number, self.buffer, self.events = 0, b"", []

    def _message(self, deadline):
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.answers], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                return None
            chunk = os.read(self.answers, 1 << 20)
            if not chunk:
                raise RuntimeError("the browser ended by itself")
            self.buffer += chunk
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def command(self, method, session=None, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.commands, data):]
        deadline = time.monotonic() + 60
        while True:
            answer = self._message(deadline)
            if answer is None:
                raise RuntimeError(method + ": no answer within 60 s")
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)
            if answer.get("method") == "Page.javascriptDialogOpening":  # or everything would wait for it
                self.number += 1
                close = {"id": self.number, "method": "Page.handleJavaScriptDialog", "params": {"accept": False},
                         "sessionId": answer["sessionId"]}
                os.write(self.commands, json.dumps(close).encode() + b"\0")

    def wait_for(self, method, session, seconds=30):
        deadline = time.monotonic() + seconds
        while not any(e.get("method") == method and e.get("sessionId") == session for e in self.events):
            event = self._message(deadline)
            if event is None:
                raise RuntimeError(f"{method} did not come within {seconds} s")
            self.events.append(event)

    def close(self):
        try:
            self.command("Browser.close")
        except (RuntimeError, OSError):
            pass
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)


class Page:
    """One tab with the report in it."""

    def __init__(self, browser, url, size, scripts=True, dark=False):
        self.browser, self.url = browser, url
        browser.events.clear()
        self.target = browser.command("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.command("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.do(domain + ".enable")
        self.do("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1,
                mobile=size[0] < 600)
        self.do("Emulation.setEmulatedMedia",
                features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.do("Emulation.setScriptExecutionDisabled", value=not scripts)
        browser.events.clear()
        self.do("Page.navigate", url=url)
        browser.wait_for("Page.loadEventFired", self.session)

    def do(self, method, **params):
        return self.browser.command(method, self.session, **params)

    def run(self, script):
        result = self.do("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError("in the page: " + json.dumps(result["exceptionDetails"])[:400])
        return result["result"].get("value")

    def settle(self):
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    def picture(self):
        return base64.b64decode(self.do("Page.captureScreenshot", format="png")["data"])

    def key(self, key):
        for kind in ("keyDown", "keyUp"):
            text = {"text": key} if len(key) == 1 else {}
            self.do("Input.dispatchKeyEvent", type=kind, key=key, **(text if kind == "keyDown" else {}))

    def drag(self, x1, x2, y):
        self.do("Input.dispatchMouseEvent", type="mousePressed", x=x1, y=y, button="left", clickCount=1)
        for step in range(1, 6):
            self.do("Input.dispatchMouseEvent", type="mouseMoved", x=x1 + (x2 - x1) * step / 5, y=y, button="left")
        self.do("Input.dispatchMouseEvent", type="mouseReleased", x=x2, y=y, button="left", clickCount=1)

    def complaints(self):
        """Console errors, policy violations, dialogs and foreign requests since the page was opened."""
        out = []
        for event in self.browser.events:
            if event.get("sessionId") != self.session:
                continue
            method, params = event["method"], event["params"]
            if method == "Runtime.exceptionThrown":
                out.append("exception: " + json.dumps(params)[:300])
            elif method == "Runtime.consoleAPICalled":
                out.append(f"console.{params['type']}: " + json.dumps(params["args"])[:300])
            elif method == "Log.entryAdded":
                out.append("log: " + params["entry"]["text"][:300])
            elif method == "Page.javascriptDialogOpening":
                out.append("dialog: " + params["message"])
            elif method == "Network.requestWillBeSent":
                url = params["request"]["url"].split("#")[0]
                if url != self.url and not url.startswith("data:"):  # dygraphs draws its handles from a data: URL
                    out.append("request: " + url[:200])
        return out

    def close(self):
        self.browser.command("Target.closeTarget", targetId=self.target)


class Report:
    """The checks, each counted and named."""

    def __init__(self, browser, path, screenshots):
        self.browser, self.url, self.screenshots = browser, path.resolve().as_uri(), screenshots
        self.name, self.failures, self.checks = path.stem, 0, 0

    def check(self, holds, what, detail=""):
        self.checks += 1
        if not holds:
            self.failures += 1
            print(f"FAILED  {what}" + (f": {detail}" if detail else ""))

    def quiet(self, page, when):
        complaints = page.complaints()
        self.check(not complaints, f"nothing to complain about {when}", "; ".join(complaints[:3]))

    def keep(self, name, picture):
        if self.screenshots:
            (self.screenshots / f"{self.name}-{name}.png").write_bytes(picture)

    def first_screens(self):
        for size, where in ((DESK, "desk"), (PHONE, "phone")):
            for dark in (False, True):
                theme = "dark" if dark else "light"
                pictures = []
                for scripts in (True, False):
                    page = Page(self.browser, self.url, size, scripts, dark)
                    if scripts:
                        page.settle()
                    pictures.append(page.picture())
                    self.quiet(page, f"on the first screen ({where}, {theme}, scripts {'on' if scripts else 'off'})")
                    page.close()
                self.keep(f"{where}-{theme}", pictures[0])
                self.check(pictures[0] == pictures[1], f"the first screen is the same without scripts ({where}, {theme})")

    def structure(self):
        page = Page(self.browser, self.url, NARROW)
        page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
        page.settle()
        width = page.run("document.documentElement.scrollWidth")
        self.check(width <= NARROW[0], "nothing sticks out at 360 pixels", f"{width} wide")
        self.quiet(page, "with everything unfolded on a phone")
        self.check(page.run("document.querySelectorAll('img, iframe, object, embed, link, base, form').length") == 0,
                   "there is no element that fetches")
        foreign = page.run("[...document.querySelectorAll('script:not([type])')].filter(s => s.textContent.length < 500)"
                           ".length + document.querySelectorAll('script[src]').length")
        self.check(foreign == 0, "every script is the report's own", foreign)
        handlers = page.run("[...document.querySelectorAll('*')].filter(e => [...e.attributes].some(a => "
                            "a.name.startsWith('on'))).length")
        self.check(handlers == 0, "no element carries a handler", handlers)
        self.check(page.run("document.querySelectorAll('h1').length") == 1, "there is one h1")
        ids = page.run("(() => { const ids = [...document.querySelectorAll('[id]')].map(e => e.id);"
                       "return ids.length - new Set(ids).size })()")
        self.check(ids == 0, "ids are unique", ids)
        broken = page.run("[...document.querySelectorAll('a[href^=\"#\"]')].filter(a => !document.getElementById("
                          "decodeURIComponent(a.hash.slice(1)))).map(a => a.hash).join()")
        self.check(broken == "", "every link inside the page leads somewhere", broken)
        unnamed = page.run("[...document.querySelectorAll('svg[role=img]')].filter(s => !s.getAttribute("
                           "'aria-labelledby').split(' ').every(id => document.getElementById(id)?.textContent)).length")
        self.check(unnamed == 0, "every chart has a title and a description", unnamed)
        page.close()

    def hostile_names(self):
        source = pathlib.Path(self.url[len("file://"):]).read_text(encoding="utf-8", errors="replace")
        if "&lt;script&gt;alert(1)" not in source:
            return
        page = Page(self.browser, self.url, DESK)
        page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
        text = page.run("document.body.innerText")
        for name in ("<script>alert(1)</script>", "<img src=x onerror=alert(2)>", "</script><script>alert(3)</script>"):
            self.check(name in text, "a hostile name is shown as text", name)
        self.check(page.run("document.title.includes('<') || document.querySelector('[onmouseover]') !== null") is False,
                   "no attribute comes from a name")
        page.run("document.querySelectorAll('button').forEach(b => b.click())")
        page.settle()
        self.quiet(page, "after every button of the hostile page was pressed")
        page.close()

    def contrast(self):
        """WCAG AA over all text that is shown, in both themes, on the nearest plain background."""
        script = """(() => {
          const parse = c => (c.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
          const light = c => c.slice(0, 3).map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
            .reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
          const bad = new Set();
          const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          while (walker.nextNode()) {
            const e = walker.currentNode.parentElement;
            if (!walker.currentNode.textContent.trim() || !e.checkVisibility() || e.closest('script, style, svg')) continue;
            let under = e, back;
            do {
              back = parse(getComputedStyle(under).backgroundColor);
              under = under.parentElement;
            } while (under && back.length === 4 && back[3] === 0);
            const style = getComputedStyle(e), a = light(parse(style.color)), b = light(back);
            const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
            const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
            if (ratio < (large ? 3 : 4.5)) bad.add(e.tagName + '.' + e.className + ' ' + ratio.toFixed(2));
          }
          return [...bad].join(', ');
        })()"""
        for dark in (False, True):
            page = Page(self.browser, self.url, DESK, dark=dark)
            page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
            bad = page.run(script)
            self.check(bad == "", f"text has a contrast of 4.5 in the {'dark' if dark else 'light'} theme", bad)
            page.close()

    def sorting(self):
        page = Page(self.browser, self.url, DESK)
        if page.run("document.querySelector('.cells tbody')?.rows.length ?? 0") > 1:
            values = ("[...document.querySelectorAll('.cells tbody td.n')].map(c => c.dataset.v === undefined ? null : "
                      "Number(c.dataset.v))")
            for direction, sign in (("ascending", 1), ("descending", -1)):
                page.run("document.querySelector('.cells thead th:nth-child(2) button').click()")
                known = [v for v in page.run(values) if v is not None]
                self.check(page.run("document.querySelector('.cells thead th:nth-child(2)').ariaSort") == direction,
                           f"a sorted column says {direction}")
                self.check(known == sorted(known, reverse=sign < 0), f"the need sorts {direction}", known)
                every = page.run(values)
                self.check(None not in every or every.index(None) >= len(known), "what is not known comes last")
            self.quiet(page, "after sorting")
        page.close()

    def links(self):
        page = Page(self.browser, self.url, DESK, scripts=False)
        # Without scripts: the browser itself unfolds what a link leads to.
        page.do("Emulation.setScriptExecutionDisabled", value=False)
        last = page.run("document.querySelectorAll('.matrix a').length") - 1
        if last >= 0:
            page.run(f"(a => {{ a.click() }})(document.querySelectorAll('.matrix a')[{last}])")
            opened = page.run(f"document.querySelector(document.querySelectorAll('.matrix a')[{last}].hash)"
                              ".closest('details').open")
            self.check(opened, "a cell of the matrix unfolds its timeline")
        page.close()

    def zooming(self):
        page = Page(self.browser, self.url, DESK)
        if not page.run("typeof Dygraph === 'function'"):
            print("skipped the zoom: this program was built without dygraphs")
            page.close()
            return
        if page.run("document.querySelectorAll('figure[data-cell]').length") == 0:
            page.close()
            return
        page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
        page.run("document.querySelector('figure[data-cell] button').scrollIntoView()")
        page.run("document.querySelector('figure[data-cell] button').click()")
        page.settle()
        self.keep("zoom", page.picture())
        self.check(page.run("document.querySelectorAll('.zoom canvas').length") > 0, "a timeline opens for zooming")
        # The darkest question: are the areas there, with the need at the bottom?
        painted = page.run("""(() => {
          const c = document.querySelector('.zoom canvas'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
          let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n / (d.length / 4) })()""")
        self.check(painted > .01, "the areas are painted", painted)
        labels = "[...document.querySelectorAll('.zoom .dygraph-axis-label-x')].map(e => e.textContent).join(' ')"
        whole = page.run(labels)
        box = page.run("(r => [r.left, r.top, r.width, r.height])(document.querySelector('.zoom .plot')"
                       ".getBoundingClientRect())")
        page.drag(box[0] + box[2] * .4, box[0] + box[2] * .6, box[1] + box[3] * .4)
        page.settle()
        part = page.run(labels)
        self.check(part != whole, "dragging zooms in", part)
        page.run("document.querySelector('.zoom .plot').focus()")
        page.key("0")
        page.settle()
        self.check(page.run(labels) == whole, "0 shows all again", page.run(labels))
        page.key("+")
        page.settle()
        self.check(page.run(labels) != whole, "+ zooms in")
        page.key("ArrowRight")
        spoken = page.run("document.querySelector('.readout').textContent")
        self.check(re.search(r"need [\d.]+ [KMGT]?i?B", spoken) is not None, "an arrow key reads a value", spoken)
        if page.run("document.querySelectorAll('figure[data-cell] button').length") > 1:
            page.run("document.querySelectorAll('figure[data-cell] button')[1].click()")
            self.check(page.run("document.querySelectorAll('.zoom').length") == 1, "one timeline at a time zooms")
        page.key("Escape")
        page.settle()
        self.check(page.run("document.querySelectorAll('.zoom').length") == 0, "Escape closes the zoom")
        self.quiet(page, "after zooming")
        page.close()

    def paper(self):
        for dark in (False, True):
            page = Page(self.browser, self.url, DESK, dark=dark)
            headline = page.run("document.querySelector('#verdict h2').innerText").strip()
            background = page.run("getComputedStyle(document.body).backgroundColor")
            pdf = base64.b64decode(page.do("Page.printToPDF", printBackground=True)["data"])
            if dark:
                page.do("Emulation.setEmulatedMedia", media="print",
                        features=[{"name": "prefers-color-scheme", "value": "dark"}])
                paper = page.run("getComputedStyle(document.body).backgroundColor")
                self.check(paper != background and paper == "rgb(255, 255, 255)", "paper is light in the dark theme", paper)
            page.close()
        tool = shutil.which("pdftotext")
        if not tool:
            print("skipped the PDF's text: no pdftotext (apt-get install poppler-utils)")
            return
        if self.screenshots:
            (self.screenshots / f"{self.name}.pdf").write_bytes(pdf)
        text = subprocess.run([tool, "-", "-"], input=pdf, capture_output=True, check=True).stdout.decode()
        squeeze = lambda s: " ".join(s.split())
        self.check(squeeze(headline) in squeeze(text), "the verdict is on paper", headline)

    def all(self):
        for check in (self.first_screens, self.structure, self.hostile_names, self.contrast, self.sorting, self.links,
                      self.zooming, self.paper):
            try:
                check()
            except RuntimeError as error:
                self.check(False, check.__name__, str(error))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=pathlib.Path)
    parser.add_argument("--chromium", help="the program; default: chromium, chromium-browser or google-chrome in PATH")
    parser.add_argument("--screenshots", type=pathlib.Path, help="a folder to keep what was seen")
    arguments = parser.parse_args()
    program = arguments.chromium or next(filter(None, map(shutil.which, ("chromium", "chromium-browser",
                                                                         "google-chrome"))), None)
    if not program:
        print("skipped: no chromium (apt-get install chromium)")
        return 77
    if not arguments.report.is_file():
        print(f"{arguments.report}: no such report")
        return 1
    if arguments.screenshots:
        arguments.screenshots.mkdir(parents=True, exist_ok=True)
    browser = Browser(program)
    try:
        report = Report(browser, arguments.report, arguments.screenshots)
        report.all()
    finally:
        browser.close()
    print(f"{arguments.report.name}: {report.checks - report.failures} of {report.checks} checks hold")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
