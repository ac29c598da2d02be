#!/usr/bin/env bash
# A newcomer's path: the commands that README.md shows under "Ten commands", the
# first of all included, run to the letter where there is nothing but Go, a
# shell and a clone: as root in a chroot that is made for it, else with an empty
# HOME and a PATH that holds Go alone. The program of the section becomes main.go
# where the section shows it. What was cross-built runs under qemu if that is
# there, and must print what it prints here.
#
#	tools/newcomer/run.sh
#
# The newcomer's own model is a copy of the digits model. Modules come from this
# machine's cache where they are in it, else from GOPROXY; COLD=1 does without this
# machine's build cache.
set -euo pipefail
cd "$(dirname "$0")/../.."
goroot=$(go env GOROOT) proxy=$(go env GOMODCACHE)/cache/download cache=$(go env GOCACHE) goproxy=$(go env GOPROXY)
work=$(mktemp -d "${TMPDIR:-/tmp}/newcomer.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root home=/home/newcomer
mkdir -p "$root$home/mlc" "$root/tmp" "$root/bin" "$root/dev" "$root/etc" "$root/proxy" "$root/cache" "$root/proc" "$root$goroot"

# path.sh: each command, told before it runs; programs as files.
awk '
	/^## / { section = $0 }
	/^```/ {
		if (lang != "") { if (lang == "go" && take) print "NEWCOMER"; lang = ""; next }
		lang = substr($0, 4)
		take = section == "## Ten commands" || (section == "" && !first++)
		if (lang == "go" && take) print "put main.go <<\"NEWCOMER\""
		next
	}
	lang == "sh" && take && NF {
		told = $0
		gsub(/\047/, "\047\\\047\047", told)
		print "echo \047$ " told "\047"
		print
		n++
	}
	lang == "go" && take { print }
	END { print n + 0 >"/dev/stderr" }
' README.md >"$work/body" 2>"$work/count"
count=$(cat "$work/count")
echo "$count commands"
if [ "$count" -lt 6 ] || [ "$count" -gt 10 ]; then
	echo "want at most 10, and no fewer than 6: has the README's section moved?"
	exit 1
fi
git ls-files -co --exclude-standard -z | tar --null -T - -cf - | tar -xf - -C "$root$home/mlc"
cp testdata/models/digits.onnx "$root$home/mlc/model.onnx"

vars=("HOME=$home" "PATH=$goroot/bin" "GOPROXY=file:///proxy,$goproxy" GOSUMDB=off) # the host has verified what is in its cache
if [ "$(id -u)" = 0 ]; then
	sh=$(readlink -f /bin/sh)
	cp "$sh" "$root/bin/sh"
	for lib in $(ldd "$sh" | grep -o '/[^ ]*'); do
		mkdir -p "$root$(dirname "$lib")"
		cp -L "$lib" "$root$lib"
	done
	mknod -m 666 "$root/dev/null" c 1 3
	cp -L /etc/resolv.conf /etc/hosts "$root/etc/" 2>/dev/null || true
	if [ -e /etc/ssl/certs/ca-certificates.crt ]; then
		mkdir -p "$root/etc/ssl/certs"
		cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
	fi
	if unshare -m mount --bind "$goroot" "$root$goroot" 2>/dev/null; then
		echo "in a chroot, Go mounted"
		[ -n "${COLD:-}" ] || vars+=(GOCACHE=/cache)
		# The mounts are this process's own and end with it.
		enter=(unshare -m bash -euc 'mount --bind "$2" "$1$2"
			mount --bind "$3" "$1/proxy"
			mount --bind "$4" "$1/cache"
			mount --rbind /proc "$1/proc"
			mount -o remount,bind,ro "$1$2"
			mount -o remount,bind,ro "$1/proxy"
			root=$1
			shift 4
			exec chroot "$root" "$@"' enter "$root" "$goroot" "$proxy" "$cache")
	else
		echo "in a chroot, Go copied: no build cache"
		cp -a "$goroot/." "$root$goroot/"
		cp -a "$proxy/." "$root/proxy/"
		vars+=("GOROOT=$goroot") # without /proc, go cannot find itself
		enter=(chroot "$root")
	fi
	at=$home
else
	echo "not root: an empty HOME, no chroot"
	vars=("HOME=$root$home" "PATH=$goroot/bin" "GOPROXY=file://$proxy,$goproxy" GOSUMDB=off)
	[ -n "${COLD:-}" ] || vars+=("GOCACHE=$cache")
	enter=() at=$root$home
fi
{
	echo 'set -eu'
	printf "export '%s'\n" "${vars[@]}"
	echo 'put() { while IFS= read -r line; do printf "%s\n" "$line"; done >"$1"; }'
	echo "cd $at/mlc"
	cat "$work/body"
} >"$root$home/path.sh"
env -i PATH="$PATH" "${enter[@]}" /bin/sh "$at/path.sh" | tee "$work/said"

here=$(tail -n 1 <(grep -v '^\$' "$work/said"))
there=$root$home/hello/hello
[ "$(od -An -t u2 -j 18 -N 2 "$there" | tr -d ' ')" = 183 ] || { echo "hello is not for arm64"; exit 1; }
if qemu=$(command -v qemu-aarch64-static); then
	said=$("$qemu" "$there")
	echo "under qemu: $said"
	[ "$said" = "$here" ] || { echo "want $here"; exit 1; }
elif [ "${CI:-}" = true ]; then
	echo "CI needs qemu-aarch64-static"
	exit 1
fi
