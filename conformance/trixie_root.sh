#!/usr/bin/env bash
# Shows without a container engine that the Dockerfile works: replays its instructions in Debian trixie roots
# made with debootstrap, then runs the image's own command as its own user and stamps once.
#
# Usage, as root in a git checkout: conformance/trixie_root.sh [WORK]
# WORK (default: a new folder under TMPDIR, removed at the end) may be kept to use its trixie base again.
# MIRROR names the Debian mirror; by default the one that this machine's apt uses. PIP_* settings are
# passed to the build steps, as an engine does with build arguments; the commit HEAD is what is built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
    echo "trixie_root: $*" >&2
    exit 1
}

((EUID == 0)) || fail "must run as root"
for program in debootstrap unshare chroot ip git python3; do
    command -v "$program" >/dev/null || fail "needs $program"
done
if (($#)); then
    work=$(mkdir -p "$1" && cd "$1" && pwd)
else
    work=$(mktemp -d)
    trap 'rm -rf --one-file-system "$work"' EXIT
fi

# The files that .dockerignore lets through, as committed.
make_context() {
    local kept
    mapfile -t kept < <(sed -n 's/^!//p' .dockerignore)
    rm -rf "$work/context"
    mkdir "$work/context"
    git archive HEAD "${kept[@]}" | tar -x -C "$work/context"
}

# What `FROM debian:trixie-slim` gives.
make_debian() {
    local mirror=${MIRROR:-}
    [[ -e $work/debian/etc/debian_version ]] && return
    if [[ -z $mirror ]]; then
        mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
    fi
    [[ -n $mirror ]] || fail "apt knows no mirror; run apt-get update, or set MIRROR"
    debootstrap --variant=minbase trixie "$work/debian" "$mirror" >"$work/debootstrap.log" \
        || fail "debootstrap failed; see $work/debootstrap.log"
}

# The state that Dockerfile instructions build up; `FROM` starts it anew.
start_stage() { # IMAGE [AS NAME]
    local image=$1
    if [[ $image == debian:trixie-slim ]]; then
        make_debian
        image=debian
    fi
    [[ -d $work/$image ]] || fail "FROM $1: no such stage"
    stage=${3:-final}
    root=$work/$stage
    rm -rf --one-file-system "$root"
    cp -a "$work/$image" "$root"
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    [[ -z ${PIP_CERT:-} ]] || cp "$PIP_CERT" "$root/tmp/builder-ca.pem"
    variables=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive)
    user=0:0 folder=/ health=() entrypoint=() command=()
}

# Runs a shell line in the stage's root as its user; `isolated` gives it a network with nothing but a loopback.
enter() { # SHELL-LINE [ARGUMENT...]
    unshare --mount --pid --fork --kill-child --mount-proc="$root/proc" "${isolated[@]}" \
        chroot --userspec="$user" "$root" env -i "${variables[@]}" "${builder[@]}" \
        sh -c "cd $folder && $1" sh "${@:2}"
}

copy() { # [--from=STAGE] SOURCE DESTINATION
    local from=$work/context
    if [[ $1 == --from=* ]]; then
        from=$work/${1#--from=}
        shift
    fi
    if [[ -d $from/$1 ]]; then
        mkdir -p "$root$2"
        cp -a "$from/$1/." "$root$2"
    else
        mkdir -p "$(dirname "$root$2")"
        cp -a "$from/$1" "$root$2"
    fi
}

json_words() { # JSON-ARRAY
    python3 -c 'import json, sys; print(*json.loads(sys.argv[1]), sep="\n")' "$1"
}

obey() { # INSTRUCTION REST
    local words
    read -ra words <<<"$2"
    case $1 in
        FROM) start_stage "${words[@]}" ;;
        RUN) enter "$2" >>"$work/build.log" 2>&1 || fail "RUN $2: failed; $(tail -n 3 "$work/build.log")" ;;
        COPY) copy "${words[@]}" ;;
        ENV) variables+=("$2") ;;
        USER) user=$2 ;;
        WORKDIR) folder=$2 && mkdir -p "$root$folder" ;;
        HEALTHCHECK) mapfile -t health < <(json_words "${2#*CMD }") ;;
        ENTRYPOINT) mapfile -t entrypoint < <(json_words "$2") ;;
        CMD) mapfile -t command < <(json_words "$2") ;;
        VOLUME | EXPOSE | STOPSIGNAL) ;;
        *) fail "Dockerfile: $1 is not known here" ;;
    esac
}

build() {
    local line logical=
    while IFS= read -r line; do
        [[ $line =~ ^[[:space:]]*(#|$) ]] && continue
        logical+=${line%\\}
        [[ $line == *\\ ]] && continue
        echo "  ${logical//  / }"
        obey "${logical%% *}" "${logical#* }"
        logical=
    done <Dockerfile
}

# What a person does with the image: initialise the volume, serve, ask for one time-stamp, verify it, stop.
session='
python -c "import ssl, sys; print(sys.version.split()[0], ssl.OPENSSL_VERSION)
sys.exit(ssl.OPENSSL_VERSION_INFO < (3, 5))" || { echo "OpenSSL is older than 3.5"; exit 1; }
test "$(id -u)" != 0 || { echo "runs as root"; exit 1; }
tsa init --dir /data >/dev/null || exit 1
"$@" & server=$!
tries=0
until eval "$HEALTH" 2>/dev/null; do
    tries=$((tries + 1)); [ "$tries" -lt 60 ] || { echo "never healthy"; exit 1; }
    kill -0 "$server" || { echo "ended before it was healthy"; exit 1; }
    sleep 0.5
done
echo "a line" >/tmp/line
tsa stamp /tmp/line --url http://127.0.0.1:3161/tsa -o /tmp/line.tsr &&
    tsa verify /tmp/line.tsr --data /tmp/line --trust /data/trust || exit 1
kill -TERM "$server"
wait "$server" || { echo "did not stop well: $?"; exit 1; }
echo "trixie_root: served, stamped, verified and stopped as uid $(id -u)"
'

builder=() isolated=()
mapfile -t builder < <(env | grep '^PIP_')
[[ -z ${PIP_CERT:-} ]] || builder+=(PIP_CERT=/tmp/builder-ca.pem)
make_context
: >"$work/build.log"
build

builder=("HEALTH=$(printf '%q ' "${health[@]}")")
isolated=(--net sh -c 'ip link set lo up && exec "$@"' sh)
enter "$session" "${entrypoint[@]}" "${command[@]}"
