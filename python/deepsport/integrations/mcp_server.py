"""An MCP server that shows frames of the videos in a folder; for the `mcp` package, 1.x and 2.x.

The two majors name the server class differently and run HTTP differently; both differences are
here. What the tools do is in `deepsport.integrations.frame_service`.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Hashable
from typing import Annotated, Any

from deepsport.errors import DeepsportError, MissingExtraError
from deepsport.integrations.frame_service import FrameService, Shown, encode_jpeg

__all__ = ["build_server", "run_http", "run_stdio"]

INSTRUCTIONS = (
    "Look at sports videos. Ask video_info first: it tells how many frames there are. "
    "choose_frames shows frames spread over a window of frame indices; narrow the window to look "
    "closer. frames_at shows single frames, by index or by second; zoom shows a region of one at "
    "higher resolution. Videos are named by their path "
    "relative to the media folder."
)

ARGUMENTS = {
    "video": "path of the video, relative to the media folder",
    "start_frame": "first frame index of the window",
    "end_frame": "frame index behind the window",
    "num_frames": "frames to show",
    "frames": "frame indices; negative ones count from the end",
    "seconds": "seconds; the frames on screen then are shown",
    "frame": "frame index",
    "region": "left, top, right, bottom in thousandths of the frame's width and height",
}


def _package() -> tuple[Any, Any, Any, Any]:
    """Return server class, context class, error class and image class of the installed major."""
    for module, server in (
        ("mcp.server.mcpserver", "MCPServer"),
        ("mcp.server.fastmcp", "FastMCP"),
    ):
        try:
            found = importlib.import_module(module)
            errors = importlib.import_module(f"{module}.exceptions")
        except ImportError:
            continue
        return getattr(found, server), found.Context, errors.ToolError, found.Image
    raise MissingExtraError(
        "the mcp package is needed for the MCP server: pip install 'deepsport[mcp]'"
    )


def _session(context: Any) -> Hashable:
    """Name the session whose budget a call spends.

    Over HTTP: the transport's session id; without one, as in the protocol of July 2026, the
    client's address. Over stdio there is one client a process.
    """
    request = getattr(context.request_context, "request", None)
    if request is None:
        return "stdio"
    by_id = request.headers.get("mcp-session-id")
    return by_id or f"address {request.client.host if request.client else 'unknown'}"


def build_server(service: FrameService, **options: Any) -> Any:
    """Return an `MCPServer` (mcp 2.x) or `FastMCP` (1.x) with the tools of the service.

    Parameters
    ----------
    service : FrameService
    **options
        For the server class, e.g. `log_level`.

    Raises
    ------
    MissingExtraError
        When the `mcp` package is not installed.
    """
    server_class, context_class, tool_error, image_class = _package()
    import anyio
    from pydantic import Field

    server = server_class("deepsport", instructions=INSTRUCTIONS, **options)

    async def answer(method: Callable[..., Any], *arguments: Any) -> Any:
        try:
            # a thread, because decoding takes a while and both majors would block their loop
            return await anyio.to_thread.run_sync(lambda: _content(method(*arguments)))
        except DeepsportError as error:
            raise tool_error(str(error)) from error

    def _content(answered: Any) -> Any:
        if not isinstance(answered, Shown):
            return answered
        parts: list[Any] = [answered.text]
        for index, image in zip(answered.indices, answered.images, strict=True):
            parts += [f"frame {index}:", image_class(data=encode_jpeg(image), format="jpeg")]
        return parts

    async def video_info(video: str, context: Any) -> Any:
        """Tell the number of frames, duration in seconds, frame rate and size of a video."""
        return await answer(service.video_info, video, _session(context))

    async def choose_frames(
        video: str, start_frame: int, end_frame: int, context: Any, num_frames: int = 8
    ) -> Any:
        """Show frames spread evenly over the window from start_frame up to before end_frame."""
        return await answer(
            service.choose_frames, video, start_frame, end_frame, num_frames, _session(context)
        )

    async def frames_at(
        video: str,
        context: Any,
        frames: list[int] | None = None,
        seconds: list[float] | None = None,
    ) -> Any:
        """Show single frames: by index (negative from the end), or those on screen at seconds."""
        return await answer(
            service.frames_at, video, frames or (), seconds or (), _session(context)
        )

    async def zoom(video: str, frame: int, region: list[float], context: Any) -> Any:
        """Show a region of one frame at higher resolution."""
        return await answer(service.zoom, video, frame, region, _session(context))

    async def detect(video: str, start_frame: int, end_frame: int, context: Any) -> Any:
        """Tell what a detector found in frames of a window: labels, scores, boxes."""
        return await answer(service.detect, video, start_frame, end_frame, _session(context))

    tools: list[Callable[..., Any]] = [video_info, choose_frames, frames_at, zoom]
    if service.detections is not None:
        tools.append(detect)
    for tool in tools:
        # resolved types: the context's class is how the server knows what to inject
        annotations = inspect.get_annotations(tool, eval_str=True)
        tool.__annotations__ = {
            name: Annotated[kind, Field(description=ARGUMENTS[name])] if name in ARGUMENTS else kind
            for name, kind in annotations.items()
        } | {"context": context_class}
        server.add_tool(tool, structured_output=False)
    return server


def run_stdio(service: FrameService) -> None:
    """Serve one client over standard input and output until it goes."""
    build_server(service, log_level="WARNING").run("stdio")


def run_http(service: FrameService, *, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve many clients over streamable HTTP at ``/mcp`` until interrupted.

    There is no authentication: put a proxy that has one in front of any address but this machine's.
    """
    if _package()[0].__name__ == "FastMCP":
        build_server(service, log_level="WARNING", host=host, port=port).run("streamable-http")
    else:
        build_server(service, log_level="WARNING").run("streamable-http", host=host, port=port)
