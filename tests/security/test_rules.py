"""Semgrep's rules of our own find what they are to find, and let the rest be."""

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "tools/security/rules.yaml"
#: What each rule is to find, a line each.
BAD = {
    "no-pickle": [
        "import pickle",
        "torch.load(file)",
        "np.load(file, allow_pickle=True)",
        "yaml.load(text)",
    ],
    "no-eval": ["eval(text)", "exec(text)"],
    "argv-are-lists": ["os.system(text)", "subprocess.run(text, shell=True)"],
    "archives-are-hostile": ["archive.extractall(folder)", "shutil.unpack_archive(file)"],
    "certificates-are-checked": ["context.check_hostname = False", "get(url, verify=False)"],
    "the-web-is-one-module": ["urllib.request.urlopen(url)", "import requests"],
    "pages-escape": ["jinja2.Environment(loader=loader)"],
    "tokens-take-constant-time": ["given == job.token", "password != given"],
}
GOOD = """
np.load(file)
yaml.safe_load(text)
subprocess.run(["ls", text])
jinja2.Environment(loader=loader, autoescape=True)
hmac.compare_digest(given, token)
token == None
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Counter[tuple[str, str]]:
    """How often each rule found something, by file."""
    folder = tmp_path_factory.mktemp("code") / "trainer"
    folder.mkdir()
    (folder / "good.py").write_text(GOOD)
    for rule, lines in BAD.items():
        (folder / f"{rule}.py").write_text("\n".join(lines) + "\n")
    command = ["semgrep", "scan", "--json", "--metrics=off", "--disable-version-check"]
    done = subprocess.run(
        [ROOT / "tools/security/with-tools", *command, "--config", RULES, "."],
        cwd=folder.parent, check=True, capture_output=True, text=True,
    )  # fmt: skip
    results = json.loads(done.stdout)["results"]
    return Counter((Path(one["path"]).stem, one["check_id"].split(".")[-1]) for one in results)


def test_each_rule_finds_each_line(found: Counter[tuple[str, str]]) -> None:
    assert found == Counter({(rule, rule): len(lines) for rule, lines in BAD.items()})


def test_every_rule_has_lines() -> None:
    assert {rule["id"] for rule in yaml.safe_load(RULES.read_text())["rules"]} == set(BAD)
