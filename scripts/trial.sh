#!/usr/bin/env bash
# Tries the project as a new user would: an empty Debian 12 with nothing but Python, venv and make, the committed tree copied in,
# then the README's two commands and the guide's sections 2 to 5, on the CPU. Prints each step with its time and ends with the list
# of what passed; exits 0 when all did. Complete outputs stay in runs/trial/. Needs root and debootstrap; about 4 GB below $TMPDIR.
# This script mends nothing: what a new user would miss is mended in the project's own files.
# Usage: [TMPDIR=folder] [PIP_ARGS="..."] [STEPS=PATTERN] scripts/trial.sh [ARGUMENTS OF THE DEMO]
#        for example scripts/trial.sh --episodes 16, or, to see one step again, STEPS="make test" scripts/trial.sh
#
# pip and apt get their packages from where they get them on this machine: settings and certificates are copied, and local folders
# that pip looks into are mounted read-only. All mounts live in a namespace of their own and vanish with its last process.
set -euo pipefail
cd "$(dirname "$0")/.."

suite=bookworm
tree=/mobile-vla
data=ROS_action/mobile_vla_dataset
checkpoints=runs/mobile_vla/checkpoints
train="./scripts/run_mobile_vla_train.sh --config configs/mobile_vla/train_tiny_cpu.json --data-dir $data"
logs=$PWD/runs/trial
root=""        # the new Debian's root, set by `inside`
environment=() # what a command there finds in its environment
results=()

die() {
    echo "$*" >&2
    exit 1
}

# --- The empty Debian -------------------------------------------------------------------------------------------------------------

outside() {
    [ "$(id -u)" -eq 0 ] || die "This makes and enters a Debian root, which needs root: sudo make trial"
    command -v debootstrap >/dev/null || die "debootstrap is not installed: sudo apt-get install -y debootstrap"
    rm -rf "$logs"
    mkdir -p "$logs"
    work=$(mktemp -d "${TMPDIR:-/tmp}/mobile-vla-trial.XXXXXX")
    trap clean EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    git archive --output="$work/tree.tar" HEAD
    echo "Trial of $(git rev-parse --short HEAD) in $work"
    # In the background, so that a signal to this script is heard at once.
    unshare --mount --propagation private --pid --fork --kill-child -- "$PWD/scripts/trial.sh" --inside "$work" "$@" &
    namespace=$!
    wait "$namespace"
}

# shellcheck disable=SC2317 # called by the trap
clean() {
    kill -KILL "${namespace:-}" 2>/dev/null || true
    wait
    rm -rf --one-file-system "$work"
}

make_root() {
    debootstrap --variant=minbase --include=python3,python3-venv,make "$suite" "$root" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"}
    mkdir -p "$root$tree"
    tar --extract --file="$root/../tree.tar" --directory="$root$tree"
    mount_devices
    share_apt
    share_certificates
    share_pip
}

mount_devices() {
    mount -t proc proc "$root/proc"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount -t tmpfs -o mode=755 tmpfs "$root/dev" # none of this machine's devices
    local name
    for name in null zero full random urandom tty; do
        touch "$root/dev/$name"
        mount --bind "/dev/$name" "$root/dev/$name"
    done
    ln -s /proc/self/fd "$root/dev/fd"
    ln -s /proc/self/fd/0 "$root/dev/stdin"
    ln -s /proc/self/fd/1 "$root/dev/stdout"
    ln -s /proc/self/fd/2 "$root/dev/stderr"
    mkdir "$root/dev/shm"
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
}

# --- What this machine knows about where packages come from -----------------------------------------------------------------------

share_apt() {
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    apt-config dump Acquire >"$root/etc/apt/apt.conf.d/99machine"
    grep -q "VERSION_CODENAME=$suite" /etc/os-release || return 0 # another release's sources are of no use there
    rm -f "$root/etc/apt/sources.list"
    cp -r /etc/apt/sources* "$root/etc/apt/"
}

share_certificates() {
    local name
    for name in SSL_CERT_FILE REQUESTS_CA_BUNDLE CURL_CA_BUNDLE; do
        copy_file "${!name:-}"
    done
    for name in SSL_CERT_FILE REQUESTS_CA_BUNDLE CURL_CA_BUNDLE {http,https,no}_proxy {HTTP,HTTPS,NO}_PROXY PIP_ARGS; do
        [ -z "${!name:-}" ] || environment+=("$name=${!name}")
    done
}

share_pip() {
    local keys="index-url|extra-index-url|find-links|no-index|trusted-host|cert|client-cert|proxy|timeout|default-timeout|retries"
    local -A settings=()
    local section key value path name
    while read -r section key value; do # a variable of the environment outdoes a file
        [ "$section" != :env: ] && [ -n "${settings[$key]:-}" ] || settings[$key]=${value//\\n/ }
    done < <(python3 -m pip config list 2>/dev/null | sed -nE "s/^([^.]+)\.($keys)='(.*)'\$/\1 \2 \3/p")
    for key in "${!settings[@]}"; do
        name=${key^^}
        environment+=("PIP_${name//-/_}=${settings[$key]}")
    done
    copy_file "${settings[cert]:-}"
    copy_file "${settings[client-cert]:-}"
    for path in ${settings[find-links]:-}; do
        mount_folder "${path#file://}"
    done
    for path in ${settings[index-url]:-} ${settings[extra-index-url]:-}; do
        [[ $path != file:///*/* ]] || mount_folder "$(dirname "${path#file://}")" # its pages name files beside it
    done
}

copy_file() {
    [ ! -f "$1" ] || install -D -m 644 "$1" "$root$1"
}

mount_folder() {
    [[ $1 == /* && -d $1 ]] || return 0
    mkdir -p "$root$1"
    mount --bind "$1" "$root$1"
    mount -o remount,ro,bind "$root$1"
}

# --- The steps --------------------------------------------------------------------------------------------------------------------

# step NAME COMMAND PATTERN...: run COMMAND in the tree; it passes when it exits 0 and every PATTERN is in its output.
step() {
    local name=$1 command=$2 began=$SECONDS verdict=PASS pattern log
    [[ $name =~ ${STEPS:-.} ]] || return 0
    shift 2
    log=$(printf '%s/%02d.log' "$logs" $((${#results[@]} + 1)))
    printf '\n== %s\n   $ %s\n' "$name" "${command//$'\n'/$'\n'     }"
    enter "$command" >"$log" 2>&1 || verdict="FAIL (exit $?)"
    for pattern in "$@"; do
        [ "$verdict" != PASS ] || grep -qE -- "$pattern" "$log" || verdict="FAIL (no '$pattern' in the output)"
    done
    tail -n "$([ "$verdict" = PASS ] && echo 8 || echo 40)" "$log" | tr '\r' '\n' | grep -v '^$' | tail -n 40 | sed 's/^/   | /' || true
    results+=("$(printf '%5d s  %-30s %s' $((SECONDS - began)) "$name" "$verdict")")
    echo "${results[-1]}"
}

# Signals are as on a terminal: a shell's background jobs, and with them all of this, would ignore Ctrl-C, and tests send it.
enter() {
    env -i --default-signal=INT,QUIT HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        "${environment[@]}" chroot "$root" bash -c "cd $tree && $1" </dev/null
}

statistics="python3 -c \"
import h5py
import numpy as np
from pathlib import Path

data_dir = Path('$data')
h5_files = list(data_dir.glob('*.h5'))

print(f'Total episodes: {len(h5_files)}')

total_frames = 0
for h5_path in h5_files:
    with h5py.File(h5_path, 'r') as f:
        total_frames += len(f['observations/images'])

print(f'Total frames: {total_frames}')
print(f'Average frames per episode: {total_frames / len(h5_files):.1f}')
\""

interface="python3 -c \"
from eval.mobile_vla.inference_wrapper import MobileVLAInference
import numpy as np

inference = MobileVLAInference(
    checkpoint_path='$checkpoints/mobile_vla-best.ckpt',
    config_path='configs/mobile_vla/train_tiny_cpu.json',
    device='cpu'
)
image = np.random.randint(0, 255, (480, 640, 3), dtype=np.uint8)
instruction = 'Navigate around obstacles'
result = inference.predict(image, instruction)
print(f'Action: {result[\\\"action\\\"]}')
\""

steps() {
    local in_venv="source .venv/bin/activate && " number='-?[0-9.e-]+'
    local action="\[$number, $number, $number, [0-3]\.0\]"
    step "README: make demo" "make demo ARGS='$*'" '^Wall time: ' '^Report: '
    step "README: make test" "make test" '[0-9]+ passed'
    step "3 record" "${in_venv}mobile-vla record --sim --out $data --episodes 16 --image-size 180x320"
    step "3 data stats" "${in_venv}mobile-vla data stats $data" 'Total episodes: +16' 'Total frames' 'Average frames per episode'
    step "3 the guide's statistics" "$in_venv$statistics" '^Total episodes: 16$' '^Total frames: [0-9]+$' '^Average frames .*[0-9]$'
    step "4 training, test mode" "$train --test" '^Found 16 \.h5 files in dataset$' '^Train dataset: [0-9]+ samples$' \
        '^Val dataset: [0-9]+ samples$' '^Model created: ' '^Total parameters: [0-9,]+$' '^Trainable parameters: [0-9,]+$' \
        '^Starting training\.\.\.$' 'Epoch 0: 100%'
    step "4 training" "$train --set max_epochs=1" '^Starting training\.\.\.$' 'Epoch 0: 100%'
    step "4 checkpoints" "ls -lh $checkpoints/" 'mobile_vla-epoch=[0-9]+-val_loss=[0-9.]+\.ckpt' 'mobile_vla-last\.ckpt' \
        'mobile_vla-best\.ckpt'
    step "4 events for TensorBoard" "ls runs/mobile_vla/logs/*/version_0/events.out.tfevents.*" 'events\.out\.tfevents'
    step "4 resume" "$train --set max_epochs=2 --resume $checkpoints/mobile_vla-epoch=*.ckpt" 'Epoch 1: 100%'
    step "5 inference, test mode" "./scripts/run_mobile_vla_inference.sh --checkpoint $checkpoints/mobile_vla-best.ckpt --device cpu" \
        '^Mobile VLA Inference initialized$' '^Device: cpu$' '^Window size: 8$' '^Running in test mode \(no ROS2\)$' \
        "^Predicted action: $action\$" '^Action chunk shape: \(1, 4\)$'
    step "5 Python interface" "$in_venv$interface" "^Action: $action\$"
    step "2 pip install, fresh venv" "python3 -m venv /root/fresh && source /root/fresh/bin/activate &&
pip install -r requirements.txt && pip install -e . && cd /tmp && mobile-vla --help" 'Usage: mobile-vla'
}

inside() {
    root=$1/root
    shift
    echo "== An empty Debian ($suite)"
    make_root >"$logs/00.log" 2>&1 || die "The Debian root could not be made: $(tail -n 20 "$logs/00.log")"
    echo "$(enter 'dpkg --list | grep -c ^ii') packages, $(enter 'python3 --version'), made in $SECONDS s"
    steps "$@"
    printf '\nComplete outputs: %s\n' "$logs"
    printf '%s\n' "${results[@]}"
    [ ${#results[@]} -gt 0 ] || die "STEPS=${STEPS:-}: no step has such a name"
    [ -z "${STEPS:-}" ] || echo "Only the steps that STEPS=$STEPS names were run."
    [[ ${results[*]} != *FAIL* ]]
}

if [ "${1:-}" = --inside ]; then
    shift
    inside "$@"
else
    outside "$@"
fi
