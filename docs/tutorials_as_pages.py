"""Show the tutorials, which are programs, as pages: comments become text, the rest code.

A hook of mkdocs.
"""

from __future__ import annotations

import ast
from pathlib import Path

from mkdocs.structure.files import File

SKIPPED = "from __future__ import annotations"


def as_page(source: str) -> str:
    """Return a program as Markdown."""
    docstring = ast.get_docstring(ast.parse(source)) or ""
    body = source.split('"""', 2)[2].replace(SKIPPED, "", 1)
    page, code = [docstring, ""], []

    def flush() -> None:
        text = "\n".join(code).strip("\n")
        if text:
            page.extend(["```python", text, "```", ""])
        code.clear()

    inside = False  # of a text of several lines, whose comments are not ours
    for line in body.splitlines():
        if line.startswith("# ") and not inside:
            flush()
            page.append(line[2:])
        else:
            if page[-1] and not code and not page[-1].startswith("```"):
                page.append("")
            code.append(line)
        inside ^= line.count('"""') % 2 == 1
    flush()
    return "\n".join(page)


def on_files(files, config):
    """Add one page a tutorial."""
    for path in sorted((Path(config.docs_dir) / "tutorials").glob("*.py")):
        page = as_page(path.read_text(encoding="utf-8"))
        files.append(File.generated(config, f"tutorials/{path.stem}.md", content=page))
    return files
