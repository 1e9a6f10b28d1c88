# shellcheck shell=bash
# Sourced by the scripts of this folder: where the cache is, and how to find what set-up brought.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=$root/.cache

have() { command -v "$1" >/dev/null 2>&1; }
say() { printf '== %s\n' "$*" >&2; }
die() { printf '%s\n' "$*" >&2; exit 1; }

java_major() { "$1" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p'; }

# A Java that Kafka runs on (17 or newer): JAVA_HOME, the PATH, Debian's folder.
find_java() {
    local java
    for java in "${JAVA_HOME:+$JAVA_HOME/bin/java}" "$(command -v java || true)" /usr/lib/jvm/*/bin/java; do
        if [[ -x $java && $(java_major "$java") -ge 17 ]]; then
            printf '%s\n' "$java"
            return
        fi
    done
    return 1
}

# The same choice that `yingbin up` makes: the PATH first, then what set-up unpacked.
find_redis() {
    command -v redis-server || command -v valkey-server || {
        [[ -x $cache/bin/redis-server ]] && printf '%s\n' "$cache/bin/redis-server"
    }
}

find_promtool() {
    command -v promtool || { [[ -x $cache/bin/promtool ]] && printf '%s\n' "$cache/bin/promtool"; }
}

# A Python that can make a venv with pip in it. (One of a version manager on the PATH will do.)
find_python() {
    local python
    for python in "$(command -v python3 || true)" /usr/bin/python3; do
        if [[ -x $python ]] && "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            printf '%s\n' "$python"
            return
        fi
    done
    return 1
}
