"""A process that shares a store: `work.py FILE TASK ...`; what it has acknowledged it prints, a line each.

append NAME      appends to seven streams for ever, eight tasks at a time: `stream position event`
append-all N     appends N events to one stream: `position event`
hold ID          holds a session for ever: `held`
echo             answers each message of the topic "ping" on "pong"; ends with the message "end"
"""

from __future__ import annotations

import asyncio
import sys
from itertools import count

from anyport.stores.base import StoreLimits
from anyport.stores.sqlite import SqliteStore

LIMITS = StoreLimits(stream_events=10**6, stream_bytes=2**30, log_bytes=2**32, sessions=10**6, session_idle_s=100)


def say(line: str) -> None:
    print(line, flush=True)


async def append(store: SqliteStore, name: str) -> None:
    numbers = count(1)

    async def work() -> None:
        for number in numbers:
            stream, event = f"{name}/{number % 7}", f"{name}-{number}-{'x' * (number % 500)}"
            await store.sessions.create(event, b"row", None)
            say(f"{stream} {await store.events.append(stream, event.encode())} {event}")

    await asyncio.gather(*(work() for _ in range(8)))


async def append_all(store: SqliteStore, how_many: int) -> None:
    for number in range(how_many):
        event = f"{number} of {how_many}"
        say(f"{await store.events.append('shared/1', event.encode())} {event}")


async def hold(store: SqliteStore, session_id: str) -> None:
    async with store.sessions.hold(session_id):
        say("held")
        await asyncio.Event().wait()


async def echo(store: SqliteStore) -> None:
    async with store.bus.subscribe("ping") as messages:
        say("listening")
        async for message in messages:
            await store.bus.publish("pong", message)
            if message == b"end":
                return


async def main(path: str, task: str, *arguments: str) -> None:
    store = SqliteStore(path, LIMITS)
    await store.start()
    if task == "append":
        await append(store, arguments[0])
    elif task == "append-all":
        await append_all(store, int(arguments[0]))
    elif task == "hold":
        await hold(store, arguments[0])
    else:
        await echo(store)
    await store.aclose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
