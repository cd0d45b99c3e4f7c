"""The example job: asks howdy once and says what it heard. Runs every minute."""
import os
import sys
import urllib.request

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def main():
    with OPENER.open("http://" + os.environ["NELSON_HOWDY_DEFAULT_ADDR"] + "/", timeout=5) as answer:
        print("tally heard:", answer.read().decode().strip(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
