"""`python -m loadtests.caps.visitor PORT COUNTS RATE`: visitors who click the capped link at a steady rate until this
process is killed. It counts in a mapped file where they were sent.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from time import perf_counter, sleep

from config.shared_words import map_words
from loadtests.caps.clicker import REFUSED, TAKEN, WORDS
from loadtests.caps.served import CAPPED, HOST, PATH

_PAUSE_S = 0.05


def main(port: int, counts: Path, rate: float) -> None:
    """Click until the process ends."""
    words = memoryview(map_words(counts, WORDS, writable=True)).cast("Q")
    due = perf_counter()
    while True:
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        # The edge process was killed: others take the next connection. What it had taken and not answered, nobody got.
        with suppress(OSError, HTTPException):
            while True:
                connection.request("GET", PATH, headers={"Host": HOST})
                answer = connection.getresponse()
                answer.read()
                words[TAKEN if answer.getheader("Location") == CAPPED else REFUSED] += 1
                due += 1 / rate
                sleep(max(0.0, due - perf_counter()))
        connection.close()
        sleep(_PAUSE_S)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
