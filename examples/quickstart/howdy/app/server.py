"""The example service: says who answers. Nelson tells it its port, its stack and its number by environment variables."""
import http.server
import os
import pathlib
import signal
import sys
import threading
import time
import urllib.parse

STACK = os.environ["NELSON_STACKNAME"]
INSTANCE = os.environ.get("NELSON_INSTANCE", "?")
GREETING = pathlib.Path(__file__).with_name("greeting.txt").read_text().strip()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/health":
            self.answer("ok\n")
        elif url.path == "/slow":
            self.trickle(int(urllib.parse.parse_qs(url.query)["seconds"][0]))
        elif url.path == "/":
            self.answer(f"{GREETING} stack={STACK} instance={INSTANCE} pid={os.getpid()}\n")
        else:
            self.send_error(404)

    def answer(self, text):
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def trickle(self, seconds):
        """One line a second, the length said beforehand: a reader knows whether it arrived whole."""
        lines = [f"{number:03} {STACK}\n".encode() for number in range(1, seconds + 1)]
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(sum(map(len, lines))))
        self.end_headers()
        for line in lines:
            self.wfile.write(line)
            time.sleep(1)

    def log_message(self, *_):
        pass  # one line a request would fill the log with health checks


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False  # answers in flight are finished before the process ends
    block_on_close = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a health check goes when it has seen the status
            super().handle_error(request, client_address)


def main():
    server = Server(("127.0.0.1", int(os.environ["NELSON_PORT_DEFAULT"])), Handler)
    # shutdown() waits for the loop that this thread runs, so it needs a thread of its own.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"{STACK} instance {INSTANCE} listens on {server.server_address[1]}", flush=True)
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
