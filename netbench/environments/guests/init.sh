#!/bin/busybox sh
# The first program of a guest: lays the host's files under it, then gives the machine to netbench's program in there.
#
# The kernel's command line tells it what to do; a blank or a comma inside a value is written %20, %2c.
#   nb.python=PATH        the host's interpreter
#   nb.module=NAME        the module that it runs, as root, with the console as its standard streams
#   nb.modules=A,B        kernel modules to load, in this order, beside those that every guest needs
#   nb.keep=PATH,PATH     what is shown of the host's /tmp, /run and /var/tmp; the rest of these starts empty in a guest
#
# The host's / is the 9p share `root`, read only. When the program ends, or something fails, the machine goes off; the last line
# on the console that begins with "netbench guest:" says why.

export PATH=/bin:/sbin
/bin/busybox mkdir -p /dev /proc /sys /share /host
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
exec </dev/console >/dev/console 2>&1
mount -t proc proc /proc
mount -t sysfs sys /sys

off() {
	echo "netbench guest: $*"
	sync
	poweroff -f
	sleep 60 # it takes a moment; the first program must not end
}

# A file system that some kernels lack.
try_mount() { mount -t "$1" "$1" "$2" 2>/dev/null; }

plain() { printf '%b' "$(printf %s "$1" | sed 's/\\/\\\\/g; s/%\(..\)/\\x\1/g')"; }

python='' module='' modules='' keep=''
for word in $(cat /proc/cmdline); do
	case $word in
	nb.python=*) python=$(plain "${word#*=}") ;;
	nb.module=*) module=$(plain "${word#*=}") ;;
	nb.modules=*) modules=${word#*=} ;;
	nb.keep=*) keep=${word#*=} ;;
	esac
done

for name in virtio_pci virtio_console 9pnet_virtio 9p af_packet $(echo "$modules" | tr , ' '); do
	modprobe "$name" || off "the kernel module $name cannot be loaded"
done

[ -n "$python" ] && [ -n "$module" ] || off "the kernel's command line names no nb.python and nb.module"
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=512000 root /share ||
	off "the host's files (9p share root) cannot be mounted"
mount --bind /share /host # what gets hidden in /host is still seen in /share
mount --bind /dev /host/dev
mkdir -p /dev/pts /dev/shm
try_mount devpts /dev/pts
mount -t devpts devpts /host/dev/pts && mount -t tmpfs -o mode=1777 tmpfs /host/dev/shm
mount -t proc proc /host/proc && mount -t sysfs sys /host/sys || off "/proc and /sys cannot be mounted"
try_mount tracefs /host/sys/kernel/tracing
try_mount debugfs /host/sys/kernel/debug
for directory in /tmp /run /var/tmp; do
	[ ! -d "/host$directory" ] || mount -t tmpfs -o mode=1777 tmpfs "/host$directory" || off "$directory cannot be made"
done
chmod 755 /host/run
for path in $(echo "$keep" | tr , ' '); do
	path=$(plain "$path")
	if [ -d "/share$path" ]; then
		mkdir -p "/host$path"
	else
		mkdir -p "$(dirname "/host$path")" && touch "/host$path"
	fi
	mount --bind "/share$path" "/host$path" || off "$path of the host cannot be shown"
done

ip link set lo up
hostname guest
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
cd /
/bin/busybox chroot /host "$python" -P -m "$module"
status=$?
export PATH=/bin:/sbin
off "its program ended with status $status"
