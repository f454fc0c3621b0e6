"""A real browser opens the page: it says nothing on the console and asks nobody for anything."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

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
