"""An HTTP receiver of notifications on this machine: a pytest plugin."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Receiver(ThreadingHTTPServer):
    """Stores received messages; refuses or hangs on request."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.messages = []
        self.answer = 200
        self.delay = 0.0  # seconds per message
        self.refuses = {}  # text in a title -> answer
        self.most = None  # messages accepted before it refuses
        self.refuses_attachments = False
        self.hangs = threading.Event()
        self.released = threading.Event()

    @property
    def url(self):
        """The address for Apprise."""
        return f"json://127.0.0.1:{self.server_port}/secret-token"

    @property
    def titles(self):
        """The titles of the accepted messages."""
        return [message["title"] for message in self.messages]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self):
        """Accept a message."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.hangs.is_set():
            self.server.released.wait(30)
            return
        full = self.server.most is not None and len(self.server.messages) >= self.server.most
        answer = 500 if full else self.server.answer
        answer = next((n for t, n in self.server.refuses.items() if t in body["title"]), answer)
        if self.server.refuses_attachments and body["attachments"]:
            answer = 413
        if answer == 200:
            self.server.messages.append(body)
            time.sleep(self.server.delay)
        self.send_response(answer)
        self.end_headers()

    def log_message(self, *_):
        """Log nothing."""


@pytest.fixture
def make_receiver():
    """Start receivers that stop with the test."""
    started = []

    def make():
        server = Receiver()
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        started.append(server)
        return server

    yield make
    for server in started:
        server.released.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def receiver(make_receiver):
    """One receiver."""
    return make_receiver()
