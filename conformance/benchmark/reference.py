"""The reference: a FastAPI route that reads the body and answers 750 fixed octets, under the same uvicorn.

Run as `python -m conformance.benchmark.reference WORKERS`; prints its port when it listens.
"""

from __future__ import annotations

import os
import socket
import sys

import uvicorn
from fastapi import FastAPI, Request, Response

ANSWER = bytes.fromhex("308202ea3003020100") + bytes(741)
"""As long as a P-256 response, and begun like a granted one, so that the load generator checks it alike."""

app = FastAPI()


@app.post("/tsa")
async def stamp(request: Request) -> Response:
    """Do what every such service must at least do."""
    await request.body()
    return Response(ANSWER, media_type="application/timestamp-reply")


def main(workers: int) -> None:
    """Serve with that many processes until SIGTERM, one loop each on one listening socket."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(listener.getsockname()[1], flush=True)
    for _ in range(workers - 1):
        if os.fork() == 0:
            break
    config = uvicorn.Config(app, loop="uvloop", http="httptools", access_log=False, log_level="warning")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(int(sys.argv[1]))
