#!/bin/sh
# Install the system packages that `make run` or `make test` needs, or say which command does.
#
#   packaging/system_packages.sh run|test [PYTHON]
#
# Quick and silent when nothing is missing. Root on Debian or Ubuntu: installs by apt-get. Everyone else: prints the exact
# command and stops, but only where something without which nothing works is missing; what only some tests need is named,
# and those tests skip with their reason.
set -eu

level=${1:?run or test}
python=${2:-}
required='' # packages without which the level cannot work
wanted=''   # packages that some tests need

path="$PATH:/usr/sbin:/sbin" # ordinary users lack sbin, and ip, nft, tcpdump may live there

has_program() { PATH="$path" command -v "$1" >/dev/null 2>&1; }
has_header() { printf '#include <%s>\n' "$1" | cc -E - >/dev/null 2>&1; }

# A distribution's python3 comes without its headers and without venv; one built by hand has both.
has_python_headers() {
	"$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))'
}
has_venv() { "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; }

# clang finds its sanitizer and fuzzer runtimes only where their package is of its own version.
clang_version() { clang -dumpversion 2>/dev/null | cut -d. -f1; }
has_fuzzer() {
	echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return d && n ? 0 : 0; }' |
		clang -x c -fsanitize=fuzzer,address,undefined -o /dev/null - >/dev/null 2>&1
}
is_ubuntu() { grep -qs '^ID=ubuntu' /etc/os-release; }

find_missing() {
	required='' wanted=''
	if [ -z "$python" ]; then
		required="$required python3 python3-dev python3-venv"
	else
		has_python_headers || required="$required python3-dev"
		has_venv || required="$required python3-venv"
	fi
	if has_program cc; then
		has_header sys/types.h || required="$required libc6-dev"
		has_header linux/if_packet.h || required="$required linux-libc-dev"
	else
		required="$required gcc libc6-dev"
	fi
	has_program ip || required="$required iproute2"
	has_program nft || required="$required nftables"
	has_program unshare || required="$required util-linux"
	[ "$level" = test ] || return 0

	has_program pkg-config || required="$required pkg-config"
	pkg-config --exists cmocka 2>/dev/null || required="$required libcmocka-dev"
	if has_program clang; then
		has_fuzzer || required="$required $(fuzzer_package)"
	else
		required="$required clang"
	fi
	for program in tshark tcpdump iperf ffmpeg; do
		has_program "$program" || wanted="$wanted $program"
	done
	# Ubuntu's chromium package only starts a snap, which neither containers nor CI have.
	has_program chromium || is_ubuntu || wanted="$wanted chromium"
	# Guests, containers, and another machine.
	has_program qemu-system-x86_64 || wanted="$wanted qemu-system-x86"
	has_static_busybox || wanted="$wanted busybox-static"
	has_program cpio || wanted="$wanted cpio"
	has_program depmod || wanted="$wanted kmod"
	has_program dockerd && has_program docker || wanted="$wanted docker.io"
	has_program iptables || wanted="$wanted iptables" # dockerd's own rules
	has_program mmdebstrap || wanted="$wanted mmdebstrap" # the base of the image that is built without a registry
	has_program sshd || wanted="$wanted openssh-server"
	has_program ssh || wanted="$wanted openssh-client"
}

has_static_busybox() { has_program busybox && ! ldd "$(PATH="$path" command -v busybox)" >/dev/null 2>&1; }

fuzzer_package() { # before Debian 12 and Ubuntu 23.04 the runtimes were part of libclang-common-N-dev
	for name in "libclang-rt-$(clang_version)-dev" "libclang-common-$(clang_version)-dev"; do
		if apt-cache show "$name" >/dev/null 2>&1; then
			echo "$name"
			return
		fi
	done
	echo "libclang-rt-$(clang_version)-dev"
}

apt_install() { # a list of names, and options of apt-get
	echo "installing system packages:$*"
	# No question may be asked (tshark has one: may ordinary users capture?).
	# shellcheck disable=SC2048,SC2086 # a list of names
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $* >"$log" 2>&1 || {
		cat "$log"
		return 1
	}
}

# QEMU has igb, whose virtual functions are measured, since version 8. Where the release has an older one, its backports may have
# one: they are added as an entry of their own, a copy of the machine's own entry with another suite. Else it is the older one,
# and the environments vm-igb and vm-sriov say so.
install_qemu() {
	suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-none}")-backports
	if [ "$(apt_candidate)" -lt 8 ] && has_suite "$suite" && [ "$(apt_candidate -t "$suite")" -ge 8 ]; then
		apt_install " -t $suite qemu-system-x86" && return
	fi
	apt_install " qemu-system-x86"
}

# The first number of the version that apt would install.
apt_candidate() {
	version=$(apt-cache policy "$@" qemu-system-x86 2>/dev/null | sed -n 's/^ *Candidate: \([0-9]*:\)\{0,1\}\([0-9][0-9]*\).*/\2/p')
	echo "${version:-0}"
}

# Whether apt has a release's backports; they are added where they can be had.
has_suite() {
	! apt-cache policy | grep -q "n=$1," || return 0
	entry=/etc/apt/sources.list.d/netbench-$1
	entries .sources | own_paragraph "${1%-backports}" >"$entry.sources"
	if [ ! -s "$entry.sources" ]; then
		rm "$entry.sources"
		entries .list | own_line "${1%-backports}" >"$entry.list"
	fi
	apt-get update -q >"$log" 2>&1
	! apt-cache policy | grep -q "n=$1," || return 0
	rm -f "$entry.sources" "$entry.list"
	apt-get update -q >"$log" 2>&1 || cat "$log"
	return 1
}

# The machine's own entries of one form, files kept apart by a blank line.
entries() {
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
		case $file in *"$1") cat "$file" && echo ;; esac
	done
}

# The first paragraph (deb822) of a suite's main component, with the suite's backports instead.
own_paragraph() {
	sed '/^#/d' | awk -v suite="$1" 'BEGIN { RS = "" }
		/(^|\n)Enabled: *no/ || !/(^|\n)Types:[^\n]* deb( |\n|$)/ { next }
		("\n" $0) ~ ("\nSuites:[^\n]* " suite "( |\n|$)") {
			sub(/Suites:[^\n]*/, "Suites: " suite "-backports")
			sub(/Types:[^\n]*/, "Types: deb")
			print
			exit
		}'
}

# The first one-line entry of a suite, with the suite's backports instead.
own_line() {
	awk -v suite="$1" '/^deb[ \t]/ {
		for (i = 2; i <= NF; i++) if ($i == suite) { $i = suite "-backports"; print; exit }
	}'
}

find_missing
[ -n "$required$wanted" ] || exit 0

if [ "$(id -u)" = 0 ] && has_program apt-get; then
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
	apt-get update -q >"$log" 2>&1 || cat "$log"
	[ -z "$required" ] || apt_install "$required"
	find_missing # clang's runtime has a name only once clang is there
	[ -z "$required" ] || apt_install "$required"
	for package in $wanted; do
		case $package in
		qemu-system-x86) install_qemu ;;
		*) apt_install " $package" ;;
		esac || echo "no $package here: the tests that need it skip"
	done
	find_missing
	[ -z "$required" ] && exit 0
	echo "still missing after apt-get install:$required" >&2
	exit 1
fi

if has_program apt-get; then
	command="sudo apt-get update && sudo apt-get install -y --no-install-recommends$required$wanted"
else
	command="(your package manager) install$required$wanted    # these are Debian's names"
fi
if [ -n "$required" ]; then
	echo "netbench needs system packages that are missing here:$required. Install them, then type the same again:" >&2
	echo "  $command" >&2
	exit 1
fi
echo "some tests will skip, for want of:$wanted. To have them: $command"
