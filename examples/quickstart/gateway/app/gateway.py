"""The example caller: passes on what howdy says. It finds howdy by NELSON_HOWDY_DEFAULT_ADDR, an address that stays."""
import http.server
import os
import signal
import sys
import threading
import urllib.error
import urllib.request

HOWDY = "http://" + os.environ["NELSON_HOWDY_DEFAULT_ADDR"] + "/"
STACK = os.environ["NELSON_STACKNAME"]
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/health":
            self.answer(200, "ok\n")
            return
        try:
            with OPENER.open(HOWDY, timeout=5) as answer:
                self.answer(200, f"{STACK} passes on: {answer.read().decode()}")
        except (urllib.error.URLError, OSError) as error:
            self.answer(502, f"{STACK} cannot reach {HOWDY}: {error}\n")

    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a health check goes when it has seen the status
            super().handle_error(request, client_address)


def main():
    server = Server(("127.0.0.1", int(os.environ["NELSON_PORT_DEFAULT"])), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"{STACK} listens on {server.server_address[1]} and calls {HOWDY}", flush=True)
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
