#!/bin/sh
# Verifies the unit with systemd's own tools. Needs `systemd-analyze`, no running systemd and no root.
set -eu
cd "$(dirname "$0")"

# Worst exposure that is accepted, in tenths; see README.md for what remains and why.
limit=13

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/unit"

# The program need not be installed: any that is there stands in for it.
sed 's|^ExecStart=/usr/bin/e2d |ExecStart=/bin/true |; s|man:e2d(1)|https://example.invalid/|' e2d.service >"$root/unit/e2d.service"
said=$(systemd-analyze verify --recursive-errors=yes --man=no "$root/unit/e2d.service" 2>&1) || {
    printf '%s\n' "$said" >&2
    exit 1
}
# An unknown key is only a warning to systemd.
if printf '%s' "$said" | grep -q 'e2d\.service'; then
    printf '%s\n' "$said" >&2
    exit 1
fi

systemd-analyze security --offline=true --threshold="$limit" --no-pager "$root/unit/e2d.service" >"$root/security" || {
    cat "$root/security" >&2
    exit 1
}
tail -n 1 "$root/security"

# What the program's behaviour rests on.
for line in Type=notify KillMode=process 'RestartPreventExitStatus=2 78' TimeoutStartSec=infinity OOMPolicy=continue \
    StartLimitIntervalSec=0 LimitCORE=0 UMask=0077 EnvironmentFile=-/etc/e2d/e2d.env; do
    grep -qx "$line" e2d.service || {
        echo "e2d.service lacks: $line" >&2
        exit 1
    }
done

# `systemctl kill` signals the whole unit if it is not told otherwise, and etcd dies of SIGHUP.
documents='e2d.service README.md ../../README.md ../../SECURITY.md ../../CHANGELOG.md'
if grep -nE 'kill .*(HUP|-s *1\b)' $documents | grep -v -e --kill-whom=main; then
    echo 'SIGHUP is for e2d alone: --kill-whom=main' >&2
    exit 1
fi
for document in e2d.service README.md; do
    grep -q -e 'systemctl kill --kill-whom=main --signal=HUP e2d' "$document" || {
        echo "$document does not say how certificates are read again" >&2
        exit 1
    }
done
