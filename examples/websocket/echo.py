"""A WebSocket server that says back what it is told, and a client.

    echo.py serve PORT
    echo.py talk URL [TOKEN]      a line in is a message out
"""

import asyncio
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed, InvalidStatus


async def echo(websocket):
    print("opened by", websocket.request.headers.get("x-auth-subject"), flush=True)
    try:
        async for message in websocket:
            await websocket.send(message)
    except ConnectionClosed:
        pass
    print("closed:", websocket.close_code, websocket.close_reason, flush=True)


async def run_server(port):
    async with serve(echo, "127.0.0.1", port) as server:
        await server.serve_forever()


async def talk(url, token=None):
    fields = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        async with connect(url, additional_headers=fields) as websocket:
            for line in iter(sys.stdin.readline, ""):
                await websocket.send(line.rstrip("\n"))
                print(await websocket.recv())
            await websocket.wait_closed()
            print("closed:", websocket.close_code, websocket.close_reason)
    except InvalidStatus as refused:
        print("refused:", refused.response.status_code)
    except ConnectionClosed as closed:
        print("closed:", closed.rcvd.code, closed.rcvd.reason)


if sys.argv[1] == "serve":
    asyncio.run(run_server(int(sys.argv[2])))
else:
    asyncio.run(talk(*sys.argv[2:]))
