"""Drive an MCP server with the official client of whichever major of `mcp` runs this; a script.

    python mcp_client.py '[["video_info", {"video": "a.mp4"}], ...]' -- COMMAND ARGUMENT...
    python mcp_client.py '[...]' http://127.0.0.1:8000/mcp

Prints JSON: the tools, then of every call whether it failed, its texts and its images' sizes.
"""

from __future__ import annotations

import asyncio
import base64
import importlib.metadata
import io
import json
import sys

import mcp
from PIL import Image


def plain(result):
    texts = [part.text for part in result.content if part.type == "text"]
    pictures = [part for part in result.content if part.type == "image"]
    images = [Image.open(io.BytesIO(base64.b64decode(part.data))) for part in pictures]
    failed = getattr(result, "is_error", None)
    return {
        "failed": bool(getattr(result, "isError", False) if failed is None else failed),
        "texts": texts,
        "images": [[image.format, *image.size] for image in images],
        "means": [
            sum(image.convert("L").tobytes()) / (image.width * image.height) for image in images
        ],
    }


async def use(session, calls):
    tools = (await session.list_tools()).tools
    schemas = [getattr(tool, "input_schema", None) or tool.inputSchema for tool in tools]
    answers = [plain(await session.call_tool(name, arguments)) for name, arguments in calls]
    return {
        "tools": {tool.name: schema for tool, schema in zip(tools, schemas, strict=True)},
        "answers": answers,
    }


async def main() -> None:
    calls, target = json.loads(sys.argv[1]), sys.argv[2:]
    major = int(importlib.metadata.version("mcp").split(".")[0])
    if target[0] == "--":
        from mcp.client.stdio import stdio_client

        transport = stdio_client(mcp.StdioServerParameters(command=target[1], args=target[2:]))
    elif major >= 2:
        from mcp.client.streamable_http import streamable_http_client

        transport = streamable_http_client(target[0])
    else:
        from mcp.client.streamable_http import streamable_http_client

        transport = streamable_http_client(target[0])
    if major >= 2:
        async with mcp.Client(transport) as client:
            found = await use(client, calls)
    else:
        async with transport as streams, mcp.ClientSession(*streams[:2]) as session:
            await session.initialize()
            found = await use(session, calls)
    print(json.dumps({"major": major, **found}))


asyncio.run(main())
