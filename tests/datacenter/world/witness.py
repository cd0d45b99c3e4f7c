"""The unit that the tests deploy. It writes what it is to a file of its own, in a folder that nelson knows nothing of:
`<WITNESS>/<pid>-<start time>` holding "stack instance". Then it serves, or does what MODE says.
"""
import http.server
import os
import signal
import sys
import threading
import time
import urllib.parse

STACK = os.environ["NELSON_STACKNAME"]
INSTANCE = os.environ.get("NELSON_INSTANCE", "?")


def bear_witness():
    with open("/proc/self/stat") as stat:
        start_time = stat.read().rsplit(")", 1)[1].split()[19]
    path = os.path.join(os.environ["WITNESS"], f"{os.getpid()}-{start_time}")
    with open(path + ".new", "w") as file:
        file.write(f"{STACK} {INSTANCE}")
    os.rename(path + ".new", path)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        sick = url.path == "/health" and os.environ.get("MODE") in ("sick", f"sick-{INSTANCE}")
        body = f"{STACK} {INSTANCE} {os.getpid()}\n".encode()
        self.send_response(503 if sick else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if url.path == "/slow":
            time.sleep(float(urllib.parse.parse_qs(url.query)["seconds"][0]))
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 64
    daemon_threads = False


def main():
    bear_witness()
    print(f"{STACK} {INSTANCE} begins", flush=True)
    if os.environ.get("MODE") == "exit":
        print("I give up at once", flush=True)
        return 7
    server = Server(("127.0.0.1", int(os.environ["NELSON_PORT_DEFAULT"])), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.05)
    server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
