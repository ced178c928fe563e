"""A chat-completions server that is far faster than any client, so that only clients are measured.

    python benchmarks/server.py PORT

A request's path begins with how it is answered, `/LATENCY_MS/CHUNKS/…`: after so many milliseconds, and, if the request
asks for a stream, in so many chunks; with `CHUNKS` 0 a stream never goes on after its first. The answer to a request
with tools is a call of each of them, once; to one that speaks of an invoice, an invoice.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

INVOICE = {
    "number": "2026-0042",
    "customer": {"name": "Ada Lovelace", "city": "London"},
    "items": [{"name": f"Item {number}", "quantity": number, "price": 9.5} for number in range(8)],
}
WORD = "word "


def message(**parts: Any) -> dict[str, Any]:
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    choice = {"index": 0, "message": {"role": "assistant", **parts}, "finish_reason": "stop"}
    return {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


def whole(body: bytes) -> bytes:
    request = json.loads(body)
    if request.get("tools") and request["messages"][-1]["role"] != "tool":
        names = [tool["function"]["name"] for tool in request["tools"]]
        calls = [
            {"id": f"t{place}", "type": "function", "function": {"name": name, "arguments": '{"seconds": 0.05}'}}
            for place, name in enumerate(names)
        ]
        return json.dumps(message(content=None, tool_calls=calls)).encode()
    text = json.dumps(INVOICE) if b"invoice" in body else "Hello there, and welcome."
    return json.dumps(message(content=text)).encode()


def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    data = b"data: %b\n\n" % json.dumps(chunk).encode()
    return b"%x\r\n%b\r\n" % (len(data), data)


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\nx-request-id: r1\r\n%b\r\n\r\n"
STREAM = HEAD % (b"text/event-stream", b"transfer-encoding: chunked") + event({"role": "assistant", "content": ""})
CHUNK = event({"content": WORD})
END = event({}, "stop") + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"


class Connection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.received = bytearray()

    def data_received(self, data: bytes) -> None:
        self.received += data
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self.received[:end])
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(self.received) < end + 4 + length:
            return
        body = bytes(self.received[end + 4 :])
        self.received.clear()
        latency, chunks = (int(part) for part in head.split(b"/")[1:3])
        if latency:
            asyncio.get_running_loop().call_later(latency / 1000, self.answer, body, chunks)
        else:
            self.answer(body, chunks)

    def answer(self, body: bytes, chunks: int) -> None:
        if b'"stream": true' in body or b'"stream":true' in body:
            self.transport.write(STREAM + (CHUNK * chunks + END if chunks else CHUNK))
        else:
            self.transport.write(self.reply(body))

    def reply(self, body: bytes) -> bytes:
        if body not in REPLIES:
            text = whole(body)
            REPLIES[body] = HEAD % (b"application/json", b"content-length: %d" % len(text)) + text
        return REPLIES[body]


REPLIES: dict[bytes, bytes] = {}


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port, backlog=10_000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
