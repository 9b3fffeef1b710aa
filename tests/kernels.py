"""Run a notebook in a real kernel.

The notebook client answers the kernel's widgets on the socket on which it waits for replies, through a plain
view of that socket. ZeroMQ reports a message once, and the sending may be what it is reported to: then
the client would wait for ever for a reply that has come. So all the while someone asks the sockets
whether there is something to read. (ipython/ipykernel#1554 is the same on the kernel's side.)
"""

import asyncio
import contextlib
import copy

import zmq
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError

ATTEMPTS = 3


def execute(notebook, folder, seconds: float = 120):
    """The executed copy of a notebook, run in this folder; TimeoutError or DeadKernelError after the last."""
    resources = {"metadata": {"path": str(folder)}}
    for attempt in range(ATTEMPTS):
        fresh = copy.deepcopy(notebook)
        client = NotebookClient(fresh, timeout=None, kernel_name="python3", resources=resources)
        try:
            asyncio.run(asyncio.wait_for(_run(client), seconds))
            return fresh
        except (asyncio.TimeoutError, DeadKernelError):  # the second, if the wait was cut off
            if attempt == ATTEMPTS - 1:
                raise


async def _run(client):
    nudging = asyncio.create_task(_nudge(client))
    try:
        await client.async_execute()
    finally:
        nudging.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await nudging


async def _nudge(client):
    """Ask the client's sockets for events twice a second: pyzmq then looks after what was missed."""
    while True:
        await asyncio.sleep(0.5)
        if client.kc is None or not client.kc.channels_running:
            continue
        for channel in (client.kc.shell_channel, client.kc.iopub_channel):
            channel.socket.get(zmq.EVENTS)
