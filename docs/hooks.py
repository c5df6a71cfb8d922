"""What MkDocs does here beyond Markdown.

It lists every command of the program. It fails where a page would load something from the network. And it
brings along files of the repository: pages link to them as GitHub needs it (`../results/tables/quick.md`),
and in the site such a file is a page or a download under `repository/`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

COMMANDS = "<!-- commands -->"
OUTSIDE = re.compile(r"\]\(\.\./([^)#\s]+)")
LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=["']?(?:https?:)?//[^>]*>"""
    r"""|<link\b(?![^>]*rel=["']?canonical)[^>]*\bhref=["']?(?:https?:)?//[^>]*>"""
    r"""|url\(["']?(?:https?:)?//[^)]*\)|@import[^;]*//[^;]*;"""
)
"""What makes a browser ask another server."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what pages link to outside of `docs/`."""
    root = Path(config.config_file_path).parent
    for page in files.documentation_pages():
        for name in OUTSIDE.findall(page.content_string):
            if files.get_file_from_path(f"repository/{name}") is None:
                added = File.generated(config, f"repository/{name}", abs_src_path=str(root / name))
                added.inclusion = InclusionLevel.NOT_IN_NAV
                files.append(added)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links out of `docs/` to what was added, and list the commands where the page has the mark."""
    if page.file.src_path.startswith("repository/"):
        return markdown
    markdown = OUTSIDE.sub(r"](repository/\1", markdown)
    if COMMANDS in markdown:
        markdown = markdown[: markdown.index(COMMANDS)] + "\n".join(_commands())
    return markdown


def on_post_build(config: MkDocsConfig) -> None:
    """Refuse pages and style sheets that load something from elsewhere."""
    for path in sorted(Path(config.site_dir).rglob("*")):
        if path.suffix in (".html", ".css") and (found := LOADED.search(path.read_text(encoding="utf-8"))):
            raise PluginError(f"{path.relative_to(config.site_dir)} loads from the network: {found[0][:150]}")


def _commands() -> Iterator[str]:
    """Every command of the program with its arguments and options."""
    from typer.main import get_command

    from bench.cli.app import app

    for name, command in sorted(get_command(app).commands.items()):  # pyright: ignore[reportAttributeAccessIssue]
        yield f"## {name}\n"
        if command.hidden:
            continue
        said, *examples = _paragraphs(command.help or "")
        yield f"{said}\n"
        arguments = [item for item in command.params if item.param_type_name == "argument"]
        options = [item for item in command.params if item.param_type_name == "option"]
        usage = " ".join(["transferbench", name, "[OPTIONS]", *map(_metavar, arguments)])
        yield f"```\n{usage}\n```\n"
        yield "\n\n".join(examples) + "\n"
        for kind, found in (("argument", arguments), ("option", options)):
            if found:
                yield f"| {kind} | meaning |\n|---|---|"
                yield from map(_row, found)
                yield ""


def _paragraphs(text: str) -> list[str]:
    """The paragraphs of a help text; each `Example: …` as code."""
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    return [re.sub(r"^Example: (.+)$", r"```bash\n\1\n```", part) for part in paragraphs]


def _metavar(argument: Any) -> str:
    name = (argument.metavar or argument.name).upper().strip("[]{}")
    return name if argument.required else f"[{name}]"


def _row(item: Any) -> str:
    names = [_metavar(item)] if item.param_type_name == "argument" else [*item.opts, *item.secondary_opts]
    kind, default = item.type_descriptor.annotation, item.default
    said = [item.help or ""]
    if isinstance(kind, type) and issubclass(kind, Enum):
        said.append(f"One of {', '.join(str(one.value) for one in kind)}.")
    if item.required:
        said.append("Required.")
    elif default not in (None, "", False, (), []) and not callable(default) and item.show_default:
        said.append(f"Default: {getattr(default, 'value', default)}.")
    text = " ".join(" ".join(said).split()).replace("|", "\\|").replace("<", "&lt;")
    return f"| {' '.join(f'`{name}`' for name in names)} | {text} |"
