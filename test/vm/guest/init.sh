#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# The guest's first process. It lays a throw-away overlay over the host's root, which it sees read-only, runs
# /vm/command there, leaves the exit status in /vm/status and powers off. /vm is a directory of the host.
box=/bin/busybox
$box mount -t proc proc /proc
$box mount -t sysfs sys /sys
$box mount -t devtmpfs dev /dev
for module in $($box cat /modules/order); do
  $box insmod "/modules/$module.ko" || echo "vm: $module was not loaded"
done
share='trans=virtio,version=9p2000.L,msize=524288'
$box mount -t 9p -o "ro,$share,cache=loose" host /host
$box mount -t 9p -o "$share" run /run
$box mount -t tmpfs -o size=50% tmpfs /root
$box mkdir -p /root/upper /root/work /root/merged
$box mount -t overlay -o lowerdir=/host,upperdir=/root/upper,workdir=/root/work overlay /root/merged
root=/root/merged
$box mkdir -p $root/vm
$box mount -t proc proc $root/proc
$box mount -t sysfs sys $root/sys
$box mount --move /dev $root/dev
$box mkdir -p $root/dev/shm
for place in dev/shm tmp run; do $box mount -t tmpfs "${place##*/}" $root/$place; done
# The file systems above hide what the host has below these directories.
while read -r path; do
  case $path in
  /dev/* | /tmp/* | /run/*) $box mkdir -p "$root$path" && $box mount --bind "/host$path" "$root$path" ;;
  esac
done < /run/exposed
$box mount --bind /run $root/vm
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
# Makes the overlay the root of the mount namespace: a process that has only called chroot(2) may make no user namespace.
cd $root
$box mount --move . /
$box chroot . /bin/bash /vm/command < dev/null
echo $? > /run/status
$box sync
$box poweroff -f
