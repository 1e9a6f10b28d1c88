# shellcheck shell=bash
# Sourced by what takes a program out of a package of Debian or Ubuntu: no root is needed, and no service is started as installing would.
quiet=(-qq -o APT::Sandbox::User= -o Debug::NoLocking=1)

# Package lists of one's own: those of the machine may be missing or too old, and only root may renew them.
own_lists() { # a folder to work in, what for
    say "setup: package lists for $2"
    mkdir -p "$1/lists/partial" "$1/archives/partial"
    quiet+=(-o "Dir::State::Lists=$1/lists" -o "Dir::Cache=$1" -o "Dir::Cache::archives=$1/archives")
    apt-get "${quiet[@]}" update >"$1/log" 2>&1
}
