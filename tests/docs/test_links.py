"""Links of the site lead where they lead in the repository."""

import pytest

from docs.links import in_site, target


@pytest.mark.parametrize(
    ("page", "link", "path", "site"),
    [
        ("concepts.md", "photos.md", "docs/photos.md", "photos.md"),
        ("start/kind.md", "../concepts.md", "docs/concepts.md", "concepts.md"),
        ("index.md", "../CHANGELOG.md", "CHANGELOG.md", "source/CHANGELOG.md"),
        ("index.md", "../mkdocs.yml", "mkdocs.yml", "source/mkdocs.yml.md"),
        ("source/CONTRIBUTING.md", "docs/photos.md", "docs/photos.md", "photos.md"),
        ("source/bench/README.md", "elastic.py", "bench/elastic.py", "source/bench/elastic.py.md"),
    ],
)
def test_a_link_has_a_file_and_a_page(page: str, link: str, path: str, site: str) -> None:
    assert target(page, link) == path
    assert in_site(path) == site


@pytest.mark.parametrize("link", ["nowhere.md", "../../outside.md", "start"])
def test_what_is_no_file_of_the_repository_is_left_alone(link: str) -> None:
    assert target("index.md", link) is None
