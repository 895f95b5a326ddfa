"""A Django behind an edge, used by two people with a real Chromium each: `run.py EDGEWARD FOLDER`.

FOLDER has chain.pem and key.pem, and takes what is made here. Chromium is driven by its DevTools protocol.
"""

import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from websockets.sync.client import connect

HERE = Path(__file__).parent
PATIENCE_S = 30

# As in docs/applications.md, with ports that are free.
CONFIG = """
[server]
https = ["127.0.0.1:{edge}"]

[[server.certificate]]
chain = "chain.pem"
key = "key.pem"

[origin.django]
url = "http://127.0.0.1:{django}"
forward_host = true
read_timeout_s = 600

[cache_policy.assets]
mode = "standards"

[[site]]
name = "app"
hosts = ["app.example"]
origin = "django"

[[site.behavior]]
path = "/static/*"
cache_policy = "assets"
"""


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def until(what, ready):
    deadline = time.monotonic() + PATIENCE_S
    while not (found := ready()):
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE_S} s"
        time.sleep(0.02)
    return found


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def chromium():
    names = [os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"]
    found = next(filter(None, (shutil.which(name) for name in names if name)), None)
    assert found, "Chromium is needed: tests/run installs Debian's; CHROMIUM names another one"
    return found


def two_lines(text):
    lines = text.split("\n")
    return lines[:2] if len(lines) >= 2 and lines[1] else None


class Browser:
    def __init__(self, folder):
        port_file = folder / "profile" / "DevToolsActivePort"
        self.process = subprocess.Popen(
            [
                chromium(), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--no-first-run", "--disable-background-networking", "--ignore-certificate-errors",
                "--host-resolver-rules=MAP app.example 127.0.0.1", "--remote-debugging-port=0",
                f"--user-data-dir={folder / 'profile'}", "about:blank",
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )
        try:
            # Two lines, the port and the path; the file is there before they are.
            port, path = until("Chromium", lambda: port_file.exists() and two_lines(port_file.read_text()))
            self.socket = connect(f"ws://127.0.0.1:{port}{path}", max_size=None, legacy=True)
        except BaseException:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise
        self.ids = itertools.count(1)

    def ask(self, method, session=None, **params):
        number = next(self.ids)
        message = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        self.socket.send(json.dumps(message))
        while (answer := json.loads(self.socket.recv(PATIENCE_S))).get("id") != number:
            pass
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def person(self):
        """With cookies and a cache of their own."""
        context = self.ask("Target.createBrowserContext")["browserContextId"]
        target = self.ask("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        return Page(self, self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])


class Page:
    def __init__(self, browser, session):
        self.browser, self.session = browser, session

    def run(self, script):
        """The value of a script, which may be a promise."""
        result = self.browser.ask(
            "Runtime.evaluate", self.session, expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in result, (script, result["exceptionDetails"])
        return result["result"].get("value")

    def go(self, url):
        failed = self.browser.ask("Page.navigate", self.session, url=url).get("errorText")
        assert not failed, (url, failed)
        self.is_at(url)

    def is_at(self, url):
        def there():
            try:
                return self.run("document.readyState == 'complete' && location.href") == url
            except AssertionError:
                return False  # Between two pages.

        until(url, there)

    def log_in(self, root, name, password):
        self.browser.ask("Page.navigate", self.session, url=f"{root}/account")
        self.is_at(f"{root}/login?next=/account")
        self.run(f"""
            document.querySelector('[name=username]').value = {json.dumps(name)};
            document.querySelector('[name=password]').value = {json.dumps(password)};
            document.querySelector('button').click()
        """)
        self.is_at(f"{root}/account")


def use(browser, root):
    ada, bob = browser.person(), browser.person()

    ada.log_in(root, "ada", "secret of ada")
    text = ada.run("document.body.innerText")
    # Django knows scheme, host and port as the browser does.
    assert "Hello, ada" in text and f"{root}/account" in text, text
    assert ada.run("performance.getEntriesByType('navigation')[0].nextHopProtocol") == "h2"
    ada.go(f"{root}/account")
    assert "Hello, ada" in ada.run("document.body.innerText"), "the session is kept"
    assert ada.run("document.cookie").startswith("csrftoken="), "the session's cookie is for the server alone"

    bob.log_in(root, "bob", "secret of bob")
    assert "Hello, bob" in bob.run("document.body.innerText")
    ada.go(f"{root}/account")
    assert "Hello, ada" in ada.run("document.body.innerText"), "two people never share a page"

    send = """(async (token) => {
        const form = new FormData();
        form.append('file', new Blob([new Uint8Array(3_000_000).fill(1)]), 'ones.bin');
        const answer = await fetch('/upload', { method: 'POST', body: form, headers: { 'X-CSRFToken': token } });
        return answer.ok ? await answer.json() : answer.status
    })"""
    assert ada.run(send + "(document.cookie.split('=')[1])") == {"name": "ones.bin", "bytes": 3_000_000, "sum": 3_000_000}
    assert ada.run(send + "('another')") == 403, "a forged form is refused"

    events = """new Promise((resolve, reject) => {
        const seen = [], source = new EventSource('/events');
        source.onmessage = (event) => { if (seen.push(event.data) == 3) { source.close(); resolve(seen.join()) } };
        source.onerror = () => reject(new Error('the stream broke'))
    })"""
    assert ada.run(events) == "0,1,2"

    echo = """new Promise((resolve, reject) => {
        const socket = new WebSocket(location.origin.replace('https', 'wss') + '/chat');
        socket.onopen = () => socket.send('hello');
        socket.onmessage = (event) => { socket.close(); resolve(event.data) };
        socket.onerror = () => reject(new Error('no socket'))
    })"""
    assert ada.run(echo) == "echo hello"

    style = "(async () => await (await fetch('/static/app.css')).text())()"
    assert [person.run(style) for person in (ada, bob)] == ["/* app.css, 1 */"] * 2, "files are served from the edge"


def main(edgeward, folder):
    edge, django = free_port(), free_port()
    (folder / "edge.toml").write_text(CONFIG.format(edge=edge, django=django))
    environment = {**os.environ, "APP_DIR": str(folder), "PORT": str(django)}
    started = []
    try:
        started.append(subprocess.Popen([sys.executable, HERE / "django/site.py"], env=environment))
        log = (folder / "access.log").open("w")
        started.append(subprocess.Popen([edgeward, "serve", "-c", "edge.toml", "--log", "json"], cwd=folder, stdout=log))
        until("Django", lambda: listens(django))
        until("the edge", lambda: listens(edge))
        browser = Browser(folder)
        started.append(browser.process)
        use(browser, f"https://app.example:{edge}")
        browser.ask("Browser.close")
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
    print("passed")


main(sys.argv[1], Path(sys.argv[2]))
