#!/usr/bin/env bash
# Make sure that there is a Chromium for the tests that look at pages. Run by `make test`.
# Takes what is there; else Debian's package, where this user may install it; else Playwright's own build.
set -euo pipefail
cd "$(dirname "$0")/.."

installed_by_playwright() {
  .venv/bin/python - <<'PYTHON'
import sys
from pathlib import Path
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    sys.exit(not Path(playwright.chromium.executable_path).exists())
PYTHON
}

as_root() {
  if [[ $(id -u) -eq 0 ]]; then "$@"; else sudo -n "$@"; fi
}

install_debian_package() {
  command -v apt-get >/dev/null || return 1
  as_root true 2>/dev/null || return 1
  echo "Installing Debian's Chromium for the page tests"
  as_root apt-get update -qq
  DEBIAN_FRONTEND=noninteractive as_root apt-get install -y -qq --no-install-recommends chromium >/dev/null
}

[[ -x /usr/bin/chromium ]] && exit 0
installed_by_playwright && exit 0
install_debian_package && exit 0
echo "Installing Playwright's Chromium for the page tests"
.venv/bin/playwright install chromium && exit 0
echo "No Chromium could be installed: the page tests will fail. On Debian: sudo apt-get install chromium" >&2
