"""Steady requests at an address, one line of record each: "<seconds since epoch> <status> <body>". SIGTERM ends it.

usage: load.py URL RECORD REQUESTS_PER_SECOND
"""
import http.client
import signal
import sys
import threading
import time
import urllib.error
import urllib.request

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(url):
    try:
        with OPENER.open(url, timeout=10) as answer:
            return answer.status, answer.read().decode().strip()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:  # HTTPException: an answer that ends too early
        return 0, str(error)


def main():
    url, path, rate = sys.argv[1], sys.argv[2], float(sys.argv[3])
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    with open(path, "a", buffering=1) as record:
        due = time.monotonic()
        while not ended.is_set():
            status, body = ask(url)
            record.write(f"{time.time():.3f} {status} {' '.join(body.split())}\n")
            due += 1 / rate
            ended.wait(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main()
