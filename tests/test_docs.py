from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from starlette.routing import WebSocketRoute

import bridge
from bridge.app import _routers, create_app
from bridge.calls.event_json import NAMES
from bridge.configuration import CONFIG_VARIABLE
from bridge.settings import Settings, variable

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def headings(page: str) -> set[str]:
    text = (DOCS / "reference" / page).read_text(encoding="utf-8")
    return set(re.findall(r"^#+ `?(.+?)`?$", text, re.MULTILINE))


def read(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


GENERATED = ["settings.md", "commands.md", "sinks.md", "errors.md", "events.schema.json", "openapi.json"]


@pytest.mark.parametrize("name", GENERATED)
def test_generated_pages_are_fresh(generator: ModuleType, name: str) -> None:
    assert set(generator.PAGES) == set(GENERATED)
    assert read(f"reference/{name}") == generator.PAGES[name](), "run `make docs`"


def test_every_setting_has_its_heading() -> None:
    assert {variable(name) for name in Settings.model_fields} <= headings("settings.md")
    assert CONFIG_VARIABLE in read("reference/settings.md")


def test_routes_and_their_headings_agree() -> None:
    app = create_app(Settings())
    paths = app.openapi()["paths"]
    existing = {f"{'|'.join(sorted(methods)).upper()} {path}" for path, methods in paths.items()}
    documented = {heading for heading in headings("http.md") if re.match(r"[A-Z|]+ /", heading)}
    methods_of: dict[str, set[str]] = {}
    for heading in documented:
        methods, path = heading.split()
        methods_of.setdefault(path, set()).update(methods.split("|"))
    sockets = {path for path, methods in methods_of.items() if "WS" in methods}
    routes = [route for router in _routers(app.state.bridge) for route in router.routes]
    assert sockets == {route.path for route in routes if isinstance(route, WebSocketRoute)}
    plain = {path: methods - {"WS"} for path, methods in methods_of.items()}
    assert {f"{'|'.join(sorted(methods))} {path}" for path, methods in plain.items() if methods} == existing


def test_every_event_has_its_heading_and_no_other() -> None:
    assert {*NAMES.values(), "gap"} == {
        name for name in headings("events.md") if re.fullmatch("[a-z-]+", name)
    }


def test_every_room_is_in_the_architecture() -> None:
    page = read("explanation/architecture.md")
    for path in (ROOT / "src" / "bridge").iterdir():
        if path.is_dir() and (path / "__init__.py").exists():
            assert f"`{path.name}/`" in page


def test_every_dependency_is_explained_with_its_bound() -> None:
    page = read("decisions/dependencies.md")
    for dependency in PROJECT["dependencies"]:
        found = re.match(r"([a-z0-9-]+)([^;]+)", dependency)
        assert found is not None
        assert f"| {found[1]} | `{found[2].strip()}` |" in page


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((DOCS / "howto").glob("*.md"))], ids=lambda p: p.name
)
def test_who_is_told_to_type_our_command_is_told_where_it_is(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    typed = re.findall(
        r"^(?:\$ )?bridge (?:calls|carrier|doctor|listen|phones|serve|up)\b", text, re.MULTILINE
    )
    if typed or page.name == "README.md":
        assert text.count(". .venv/bin/activate") == 1, "`make run` puts it there, and Debian has another"


def test_every_page_is_in_the_index() -> None:
    index = read("index.md")
    for page in DOCS.rglob("*.md"):
        if page.name != "index.md":
            assert f"({page.relative_to(DOCS)})" in index


def test_the_changelog_knows_this_version() -> None:
    assert f"## [{PROJECT['version']}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert bridge.__version__ == PROJECT["version"]


def test_the_example_environment_holds_real_settings() -> None:
    names = re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
    assert names
    assert set(names) <= {variable(name) for name in Settings.model_fields}
