"""What a build reads of a folder, and when it has something to do. That components work is the host's to test."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from millrace import build as building
from millrace.build import CannotBuild, Project, build

DESCRIBED = '[project]\nname = "a"\n[tool.millrace]\nplugin = "a:plugin"\n'


class Building(unittest.TestCase):
    def setUp(self) -> None:
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.folder = Path(place.name)
        self.write("pyproject.toml", DESCRIBED)
        self.write("a.py", "")

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def built(self) -> bool:
        """Build with a tool that writes any file; says whether it was called."""

        def componentize(_project: Project, entry: Path, made: Path) -> None:
            made.write_text(entry.read_text(encoding="utf-8"), encoding="utf-8")

        with mock.patch.object(building, "_componentize", side_effect=componentize) as tool:
            component = build(self.folder)
        self.assertEqual(component, self.folder.resolve() / "target/components/a.wasm")
        self.assertIn("from a import plugin", component.read_text(encoding="utf-8"))
        return tool.called

    def test_a_folder_says_what_its_plugin_is(self) -> None:
        for text, expected in [
            ("", "in .project."),
            ('[project]\nname = "a"\n', "tool.millrace"),
            (DESCRIBED.replace("a:plugin", "a"), "MODULE:VARIABLE"),
        ]:
            self.write("pyproject.toml", text)
            with self.assertRaisesRegex(CannotBuild, expected):
                Project.read(self.folder)
        with self.assertRaisesRegex(CannotBuild, "has a pyproject.toml"):
            Project.read(self.folder / "nowhere")

    def test_only_what_changes_the_component_is_a_reason_to_build(self) -> None:
        self.assertTrue(self.built())
        self.assertFalse(self.built())
        self.write("tests/test_a.py", "")
        self.write("README.md", "")
        self.assertFalse(self.built())
        self.write("a.py", "# changed")
        self.assertTrue(self.built())
        (self.folder / "b.py").touch()
        self.assertTrue(self.built())
        (self.folder / "b.py").unlink()
        self.assertTrue(self.built())
        (self.folder / "target/components/a.wasm").unlink()
        self.assertTrue(self.built())

    def test_what_cannot_be_built_says_why(self) -> None:
        failing = mock.Mock(returncode=1, stdout="", stderr="no module a")
        with (
            mock.patch("subprocess.run", return_value=failing),
            self.assertRaisesRegex(CannotBuild, "a cannot be made a component:\nno module a"),
        ):
            build(self.folder)
        with (
            mock.patch("subprocess.run", side_effect=FileNotFoundError),
            self.assertRaisesRegex(CannotBuild, "extra `build`"),
        ):
            build(self.folder)


if __name__ == "__main__":
    unittest.main()
