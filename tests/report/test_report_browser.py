"""A real browser opens the page: it says nothing on the console and asks nobody for anything."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from made_up import MadeUp, report, write

pytestmark = pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no chromium")

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--enable-logging=stderr",
    "--v=0",
    "--dump-dom",
)


def opened(page: Path, folder: Path) -> tuple[list[str], set[str]]:
    """Open the page; return the lines on its console and the addresses that were asked for over the network."""
    log = folder / "net.json"
    command = ["chromium", *OPTIONS, f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}", page.as_uri()]
    seen = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "</html>" in seen.stdout
    told = json.loads(log.read_text(encoding="utf-8"))
    source = told["constants"]["logSourceType"]["URL_REQUEST"]
    starts = [event["params"] for event in told["events"] if event["source"]["type"] == source and "params" in event]
    # what the browser asks for on its own account, its updates say, has no origin
    addresses = {start["url"] for start in starts if start.get("initiator", "not an origin") != "not an origin"}
    console = [line for line in seen.stderr.splitlines() if "CONSOLE" in line]
    return console, {address for address in addresses if urlsplit(address).scheme in ("http", "https", "ws", "wss")}


def test_the_page_asks_nobody_and_complains_of_nothing(usual: Path, tmp_path: Path) -> None:
    assert opened(usual / "report/report.html", tmp_path) == ([], set())


def test_a_page_that_asks_or_complains_would_be_noticed(usual: Path, tmp_path: Path) -> None:
    page = (usual / "report/report.html").read_text(encoding="utf-8")
    bad = '<img src="http://example.invalid/x.png" alt=""><script>console.error("trouble")</script></body>'
    (tmp_path / "bad.html").write_text(page.replace("</body>", bad), encoding="utf-8")
    console, addresses = opened(tmp_path / "bad.html", tmp_path)
    assert any("trouble" in line for line in console)
    assert "http://example.invalid/x.png" in addresses


#: a page in a frame as wide as a telephone, all details open; its title becomes the width of what can be scrolled
PROBE = """<iframe src="report.html" style="border:0;width:400px;height:900px"></iframe><script>
window.onload = () => {
  const page = document.querySelector("iframe").contentDocument;
  for (const one of page.querySelectorAll("details")) one.open = true;
  document.title = page.documentElement.scrollWidth;
}</script>"""


def test_long_names_fit_into_a_narrow_page(tmp_path: Path) -> None:
    name = "evolution_with_a_name_that_is_longer_than_a_telephone_is_wide"
    strategies = {"random": {}, name: {"kind": "evolution"}}
    classes = ["one_class_name_without_any_space_that_is_longer_than_a_telephone_is_wide", "<b>'other' & \"more\"</b>"]
    results, settings = write(tmp_path, MadeUp(config={"search": {"strategies": strategies}}, classes=classes))
    report(results, settings)
    probe = results / "report/probe.html"
    probe.write_text(PROBE, encoding="utf-8")
    command = ["chromium", *OPTIONS, "--allow-file-access-from-files", f"--user-data-dir={tmp_path / 'profile'}"]
    seen = subprocess.run([*command, probe.as_uri()], capture_output=True, text=True, timeout=60, check=True)
    found = re.search(r"<title>(\d+)</title>", seen.stdout)
    assert found is not None
    assert int(found[1]) <= 400
