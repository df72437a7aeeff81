"""`python -m millrace.build [FOLDER]`: makes a component of a plugin's folder.

The folder has a `pyproject.toml`:

    [project]
    name = "my-plugin"                 # the component becomes target/components/my-plugin.wasm

    [tool.millrace]
    plugin = "my_plugin:plugin"        # the module, in the folder or in its src/, and the variable with the Plugin

Packages that the plugin imports are those of the virtual environment that this runs in; only what is written in Python
works. Nothing is done when nothing changed. How a component is put together is componentize-py's business.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

PACKAGE = Path(__file__).parent

SOURCES = {".py", ".toml", ".wit", ".json"}
"""Endings of the files that a component may depend on."""

PASSED_OVER = {"target", "tests", "__pycache__", "node_modules"}
"""Folders that no component depends on; neither on those whose names begin with a dot."""

ENTRY = """from {module} import {variable} as plugin

from millrace.component import processor

Processor = processor(plugin)
"""


class CannotBuild(Exception):
    """Why there is no component, for the author."""


@dataclass(frozen=True)
class Project:
    """A plugin's folder, as its `pyproject.toml` describes it."""

    folder: Path
    name: str
    module: str
    variable: str

    @staticmethod
    def read(folder: Path) -> Project:
        """Read the description; raises `CannotBuild` when something is missing in it."""
        path = folder / "pyproject.toml"
        if not path.is_file():
            raise CannotBuild(f"{path} is not there: name a folder that has a pyproject.toml")
        described = tomllib.loads(path.read_text(encoding="utf-8"))
        name = described.get("project", {}).get("name")
        plugin = described.get("tool", {}).get("millrace", {}).get("plugin")
        if not isinstance(name, str) or not isinstance(plugin, str) or ":" not in plugin:
            raise CannotBuild(
                f'{path}: `name` in [project] and `plugin = "MODULE:VARIABLE"` in [tool.millrace] are needed'
            )
        module, variable = plugin.split(":", 1)
        return Project(folder, name, module, variable)

    def python_path(self) -> list[Path]:
        """List the folders in which its modules are looked for."""
        return [each for each in (self.folder / "src", self.folder) if each.is_dir()]


def build(folder: Path, components: Path | None = None) -> Path:
    """Make the component of the plugin in `folder`, unless it is there and nothing changed; gives its path."""
    project = Project.read(folder.resolve())
    components = (components or project.folder / "target/components").resolve()
    component = components / f"{project.name}.wasm"
    made_of = component.with_suffix(".made-of")
    state = _state(project)
    if component.is_file() and made_of.is_file() and made_of.read_text(encoding="utf-8") == state:
        return component
    components.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=components) as scratch:
        entry = Path(scratch) / "millrace_entry.py"
        entry.write_text(ENTRY.format(module=project.module, variable=project.variable), encoding="utf-8")
        made = Path(scratch) / "component.wasm"
        _componentize(project, entry, made)
        # Renamed, so that a host that loads it at this moment sees the old or the new one, never half of it.
        made.replace(component)
    made_of.write_text(state, encoding="utf-8")
    return component


def _componentize(project: Project, entry: Path, made: Path) -> None:
    paths = [entry.parent, *project.python_path(), PACKAGE.parent]
    command = ["componentize-py", "--quiet", "--wit-path", str(PACKAGE / "plugin.wit"), "--world", "plugin"]
    command += ["componentize", entry.stem, "--output", str(made)]
    command += [part for path in paths for part in ("--python-path", str(path))]
    # The tool lies beside this Python, whether or not its environment is active.
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    if sys.prefix != sys.base_prefix:
        environment["VIRTUAL_ENV"] = sys.prefix
    try:
        ended = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)  # noqa: S603
    except FileNotFoundError:
        raise CannotBuild(
            "componentize-py is not installed: `pip install` this package with its extra `build`"
        ) from None
    if ended.returncode != 0:
        raise CannotBuild(f"{project.module} cannot be made a component:\n{ended.stdout}{ended.stderr}".rstrip())


def _state(project: Project) -> str:
    """Write down everything that the component is made of: packages with their versions, files with their digests."""
    packages = {f"{each.metadata['Name']} {each.version}" for each in distributions()}
    files = [*_sources(project.folder), *_sources(PACKAGE)]
    digests = {f"{each} {hashlib.sha256(each.read_bytes()).hexdigest()}" for each in files}
    return "\n".join([sys.version, *sorted(packages), *sorted(digests), ""])


def _sources(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir():
            if path.name not in PASSED_OVER and not path.name.startswith("."):
                yield from _sources(path)
        elif path.suffix in SOURCES:
            yield path


def main() -> int:
    """Build what the command line names, and print where it is."""
    parser = argparse.ArgumentParser(prog="python -m millrace.build", description="Make a component of a plugin.")
    parser.add_argument("folder", nargs="?", default=".", type=Path, help="with the plugin's pyproject.toml")
    parser.add_argument(
        "--components", type=Path, help="where the component goes; FOLDER/target/components unless given"
    )
    arguments = parser.parse_args()
    try:
        print(build(arguments.folder, arguments.components))  # noqa: T201 - it is what the command is for
    except CannotBuild as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
