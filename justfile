# Doradura's commands. `just --list` shows them; each sets up what it needs.

set shell := ["bash", "-euo", "pipefail", "-c"]
set positional-arguments

python := env_var_or_default("PYTHON", "python3")

# Show the commands.
[private]
default:
    @{{ just_executable() }} --list --unsorted

# Start the bot in the foreground; without a token against its own sandbox. Settings: DORADURA_* (docs/settings.md).
run *arguments: (_venv "requirements.lock")
    #!/usr/bin/env bash
    set -euo pipefail
    sandbox=()
    if [ -z "${DORADURA_TELEGRAM_TOKEN:-}${DORADURA_TELEGRAM_TOKEN_FILE:-}" ]; then sandbox=(--sandbox); fi
    exec .venv/bin/python -m doradura run ${sandbox[@]+"${sandbox[@]}"} "$@"

# Look whether everything the bot needs is there, line by line; without a token what the sandbox needs.
[no-exit-message]
doctor *arguments: (_venv "requirements.lock")
    #!/usr/bin/env bash
    set -euo pipefail
    sandbox=()
    if [ -z "${DORADURA_TELEGRAM_TOKEN:-}${DORADURA_TELEGRAM_TOKEN_FILE:-}" ]; then sandbox=(--sandbox); fi
    exec .venv/bin/python -m doradura check ${sandbox[@]+"${sandbox[@]}"} "$@"

# Ask the running bot how it is; exit code 0 when it works.
[no-exit-message]
health: (_venv "requirements.lock")
    @.venv/bin/python -m doradura health

# Start the local Telegram alone, for any bot (docs/sandbox.md).
sandbox *arguments: (_venv "requirements.lock")
    #!/usr/bin/env bash
    set -euo pipefail
    exec .venv/bin/python -m doradura sandbox "$@"

# The files come in their order, those with few, slow tests (e2e) first: else one process is left with them at the end.
# Run all tests but the long ones, one process more than cores (they wait a third of their time), four at most.
test *arguments: (_venv "requirements-dev.lock")
    #!/usr/bin/env bash
    set -euo pipefail
    processes="$(.venv/bin/python -c 'import os; print(min((os.cpu_count() or 1) + 1, 4))')"
    exec .venv/bin/python -m pytest -m "not long" --numprocesses "$processes" --dist loadfile --no-loadscope-reorder "$@"

# Run the tests that take minutes, two at a time; where CI is set some of them take fewer turns.
test-long *arguments: (_venv "requirements-dev.lock")
    #!/usr/bin/env bash
    set -euo pipefail
    exec .venv/bin/python -m pytest -m long --numprocesses 2 --dist worksteal "$@"

# Lint, types, format, texts, copies: reads only, the same as CI.
check: (_venv "requirements-dev.lock")
    .venv/bin/ruff check .
    .venv/bin/ruff format --check .
    .venv/bin/mypy
    .venv/bin/python -m stack.dashboards --check
    .venv/bin/python -m tests.texts --check
    .venv/bin/python -m tests.copies --check
    .venv/bin/python -m stack check --files

# Format the code, compile the texts, copy the runbooks and the table of settings.
fmt: (_venv "requirements-dev.lock")
    .venv/bin/ruff check --fix-only --quiet .
    .venv/bin/ruff format .
    .venv/bin/python -m tests.texts
    .venv/bin/python -m tests.copies

# Measure: ours against what it is compared with, side by side, as ratios.
bench *arguments: (_venv "requirements-dev.lock")
    #!/usr/bin/env bash
    set -euo pipefail
    exec .venv/bin/python -m tests.bench "$@"

# Start Prometheus, Alertmanager and Grafana around the bot, in the foreground (docs/monitoring.md).
stack *arguments: (_venv "requirements.lock")
    #!/usr/bin/env bash
    set -euo pipefail
    exec .venv/bin/python -m stack run "$@"

# Stop the stack that runs, or what a killed one left.
stack-down: (_venv "requirements.lock")
    .venv/bin/python -m stack down

# Check the stack's configuration, and the programs that run.
stack-check: (_venv "requirements.lock")
    .venv/bin/python -m stack check

# Show the log of prometheus, alertmanager or grafana; -f follows it.
stack-logs *arguments: (_venv "requirements.lock")
    #!/usr/bin/env bash
    set -euo pipefail
    exec .venv/bin/python -m stack logs "$@"

# Renew the lock files from pyproject.toml (hashes, no index named).
lock *arguments: (_venv "requirements-dev.lock")
    .venv/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-annotate --no-header --all-extras --group build --group dev -q -o requirements-dev.lock "$@"
    .venv/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-annotate --no-header --all-extras --group build -c requirements-dev.lock -q -o requirements.lock

# Take the newest yt-dlp, and the newest curl_cffi that it takes: sites and browsers change faster than we release.
update-ytdlp: (lock "--upgrade-package" "yt-dlp" "--upgrade-package" "yt-dlp-ejs" "--upgrade-package" "curl-cffi")

# Make .venv hold what a lock file lists. The larger one contains the smaller one.
_venv lockfile:
    #!/usr/bin/env bash
    set -euo pipefail
    exec 9>.venv.lock
    if command -v flock >/dev/null; then flock 9; fi
    want="$(cat pyproject.toml "{{ lockfile }}" | cksum)"
    if [ -x .venv/bin/python ] && grep -qsxF "{{ lockfile }} $want" .venv/doradura-installed; then exit 0; fi
    if [ ! -x .venv/bin/python ]; then
        echo "Setting up .venv (once, about a minute)..." >&2
        {{ python }} -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Doradura needs Python 3.11 or newer; set PYTHON to one." >&2; exit 1; }
        {{ python }} -m venv .venv || { echo "On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
    fi
    # First what installs: venv brings the pip and setuptools that Python was released with, which are old.
    awk '/^[^ #]/ { kept = /^(pip|setuptools)==/ } kept' "{{ lockfile }}" >.venv/installers.lock
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/installers.lock
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "{{ lockfile }}"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
    if [ "{{ lockfile }}" = requirements-dev.lock ]; then
        : >.venv/doradura-installed
        echo "requirements.lock $(cat pyproject.toml requirements.lock | cksum)" >>.venv/doradura-installed
    else
        touch .venv/doradura-installed
        grep -v "^{{ lockfile }} " .venv/doradura-installed >.venv/doradura-installed.new || true
        mv .venv/doradura-installed.new .venv/doradura-installed
    fi
    echo "{{ lockfile }} $want" >>.venv/doradura-installed
