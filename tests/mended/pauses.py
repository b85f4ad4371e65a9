"""In a process of its own: the longest pause of a stream, and of the Redis under it, until the stream ends.

Says "sees" once events come; from then on it counts. At the end it says two numbers in ms: the longest time between two
deltas, and the longest time that Redis took to answer a PING.
"""

from __future__ import annotations

import socket
import sys
import threading
import time

MANY = 20


def main(port: str, generation: str, redis: str) -> None:
    """The arguments: the API's port, the id of a generation that runs, the path of its Redis' socket."""
    over = threading.Event()
    slowest = [0.0]

    def ping() -> None:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(redis)
            while not over.wait(0.001):
                asked = time.monotonic()
                connection.sendall(b"PING\r\n")
                connection.recv(100)
                slowest[0] = max(slowest[0], time.monotonic() - asked)

    longest, last, seen = 0.0, 0.0, 0
    with socket.create_connection(("127.0.0.1", int(port)), timeout=20) as viewer:
        viewer.sendall(f"GET /v1/generations/{generation}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        for line in viewer.makefile("rb"):
            if line.startswith(b"event: completed"):
                break
            if not line.startswith(b"event: delta"):
                continue
            now = time.monotonic()
            if seen > MANY:
                longest = max(longest, now - last)
            elif seen == MANY:
                pings = threading.Thread(target=ping)
                pings.start()
                print("sees", flush=True)
            last, seen = now, seen + 1
    over.set()
    pings.join()
    print(longest * 1000, slowest[0] * 1000)


if __name__ == "__main__":
    main(*sys.argv[1:])
