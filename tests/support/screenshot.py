"""A picture of a report for the README: `python -m tests.support.screenshot report.html docs/report.png`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tests.report.test_browser import CHROMIUM

WIDTH, HEIGHT = 1200, 1250


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--height", type=int, default=HEIGHT)
    parser.add_argument("--section", default="", help="scroll to this one, e.g. curves")
    arguments: Any = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": arguments.height})
        page.goto(f"{arguments.page.resolve().as_uri()}#{arguments.section}")
        page.wait_for_timeout(2000)  # charts in the window come to life
        arguments.picture.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=arguments.picture)
        browser.close()
    print(f"{arguments.picture}: {arguments.picture.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
