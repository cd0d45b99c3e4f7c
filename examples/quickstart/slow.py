"""Fetches a slow answer and says whether it arrived whole: slow.py URL. Exit 1 when it did not."""
import sys
import time
import urllib.request


def main():
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    started = time.monotonic()
    with opener.open(sys.argv[1], timeout=30) as answer:
        promised, body = int(answer.headers["Content-Length"]), answer.read()
    lines = body.decode().splitlines()
    print(f"{len(body)} of {promised} bytes, {len(lines)} lines in {time.monotonic() - started:.0f} s, all from {lines[-1].split()[1]}")
    return 0 if len(body) == promised and len({line.split()[1] for line in lines}) == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
