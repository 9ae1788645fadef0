#!/bin/sh
# Makes a bare machine ready: "sh standalone/bare_machine.sh up|test". POSIX sh, for nothing else may be there yet.
# Everything it says goes to standard error: the first lines of "make up" belong to the addresses. Safe to run again.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }
has() { command -v "$1" >/dev/null 2>&1; }

# The first Python that is new enough and can make a virtual environment; a pyenv shim may exist and not work.
find_python() {
    too_old=''
    for name in python3.13 python3.12 python3.11 python3 python; do
        has "$name" && "$name" -c '' 2>/dev/null || continue
        if ! "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            too_old=$("$name" -c 'import sys; print(".".join(map(str, sys.version_info[:3])))')
        elif ! "$name" -c 'import ensurepip, venv' 2>/dev/null; then
            no_venv=$name
        else
            printf '%s\n' "$name"
            return
        fi
    done
    if [ -n "${no_venv:-}" ]; then
        say "$no_venv cannot make virtual environments: install them with 'sudo apt-get install python3-venv'."
    elif [ -n "$too_old" ]; then
        say "Python 3.11 or newer is needed, and the newest one found here is $too_old."
    else
        say "Python 3.11 or newer is needed, and none was found on PATH."
    fi
    return 1
}

# What is installed is told by a stamp that holds the lock file's checksum: the second time takes no time.
environment() {
    lock=$1
    stamp=.venv/.installed
    wanted=$(cksum <"$lock")
    if [ -x .venv/bin/python ] && .venv/bin/python -c '' 2>/dev/null && grep -qsxF "$lock $wanted" "$stamp"; then
        return
    fi
    if ! { [ -x .venv/bin/python ] && .venv/bin/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }; then
        python=$(find_python)
        say "Making the environment in .venv with $("$python" --version) ..."
        "$python" -m venv --clear .venv
    fi
    say "Installing $lock ..."
    PIP_DISABLE_PIP_VERSION_CHECK=1 .venv/bin/python -m pip install --quiet --no-input --require-hashes -r "$lock" >&2
    printf '%s\n' "$lock $wanted" >>"$stamp"
}

find_mosquitto() {
    PATH="$PATH:/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin:/usr/local/opt/mosquitto/sbin" command -v mosquitto >/dev/null 2>&1
}

may_install() { [ "$(id -u)" = 0 ] && has apt-get; }

# Debian starts a service when it installs its package; ours runs as a child process instead.
install_packages() {
    say "Installing $* ..."
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod 755 /usr/sbin/policy-rc.d
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        trap 'exit 130' INT TERM
    fi
    status=0
    { DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" ||
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@"; }; } \
        >&2 </dev/null || status=$?
    return "$status"
}

ensure_mosquitto() {
    find_mosquitto && return
    if may_install && install_packages mosquitto; then
        has systemctl && systemctl disable --quiet mosquitto >/dev/null 2>&1 || true
        return
    fi
    say "The MQTT broker mosquitto is missing: install it with 'sudo apt-get install mosquitto' (Debian, Ubuntu, Raspberry Pi OS), 'sudo dnf install mosquitto' (Fedora) or 'brew install mosquitto' (macOS)."
    return 1
}

# Tests that need what cannot be installed here are skipped, and each says why.
ensure_test_programs() {
    has mosquitto_pub || { may_install && install_packages mosquitto-clients; } || say "mosquitto_pub is missing: tests that publish with it are skipped."
    has initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { may_install && install_packages postgresql; } ||
        say "PostgreSQL is missing: tests on it are skipped."
    has chromium || has chromium-browser || has google-chrome || { may_install && install_packages chromium; } ||
        say "Chromium is missing: tests in a browser are skipped."
}

case "${1:-}" in
python) find_python ;;
up)
    environment requirements.lock
    ensure_mosquitto
    ;;
dev)
    environment requirements-dev.lock
    ensure_mosquitto
    ;;
check) environment requirements-dev.lock ;;
test)
    environment requirements-dev.lock
    ensure_mosquitto
    ensure_test_programs
    ;;
*)
    say "usage: sh standalone/bare_machine.sh python | up | dev | check | test"
    exit 2
    ;;
esac
