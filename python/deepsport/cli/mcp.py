"""`deepsport mcp`: serve the frame tool to agents over the Model Context Protocol."""

from __future__ import annotations

import argparse
from typing import Any

EPILOG = """\
examples:
  deepsport mcp --root ~/videos                       one agent, over stdin and stdout
  deepsport mcp --root matches --root training --http --port 8000
  deepsport mcp --root ~/videos --frames-per-call 8 --frames-per-session 200

In the configuration of an agent:
  {"mcpServers": {"deepsport": {"command": "deepsport", "args": ["mcp", "--root", "/path/to/videos"]}}}

Tools: video_info, choose_frames, frames_at, zoom, and with --detections detect. Only files below the roots are opened: absolute paths,
'..' and links to the outside are refused. The HTTP server has no authentication of its own.
"""


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "mcp",
        help="serve the frame tool to agents (Model Context Protocol)",
        description="Serve the frame tool to agents over the Model Context Protocol.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--root", action="append", required=True, metavar="DIR",
        help="folder with videos; may be given several times",
    )  # fmt: skip
    parser.add_argument("--http", action="store_true", help="streamable HTTP instead of stdio")
    parser.add_argument("--host", default="127.0.0.1", help="address of --http (%(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="port of --http (%(default)s)")
    parser.add_argument("--frames-per-call", type=int, default=16, metavar="N",
                        help="frames a call may show (%(default)s)")  # fmt: skip
    parser.add_argument("--frames-per-session", type=int, default=1000, metavar="N",
                        help="frames a session may see (%(default)s)")  # fmt: skip
    parser.add_argument("--calls-per-session", type=int, default=200, metavar="N",
                        help="calls that show frames a session may make (%(default)s)")  # fmt: skip
    parser.add_argument("--max-side", type=int, default=640, metavar="PIXELS",
                        help="longer side of a frame shown (%(default)s)")  # fmt: skip
    parser.add_argument("--detections", metavar="FILE",
                        help="what a detector found in the videos, for the tool detect")  # fmt: skip
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until the client goes or Ctrl-C."""
    from deepsport.integrations.budget import Budget
    from deepsport.integrations.frame_service import FrameService
    from deepsport.integrations.mcp_server import run_http, run_stdio

    budget = Budget(
        frames_per_call=args.frames_per_call,
        calls_per_session=args.calls_per_session,
        frames_per_session=args.frames_per_session,
        max_side=args.max_side,
    )
    service = FrameService(args.root, budget, detections=args.detections)
    if args.http:
        run_http(service, host=args.host, port=args.port)
    else:
        run_stdio(service)
    return 0
