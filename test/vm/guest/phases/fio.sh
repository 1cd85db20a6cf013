# SPDX-License-Identifier: GPL-2.0-only
# The README's line of fio on each kind of device by itself, and on a file in RAM. Sourced by main.sh.

phase_fio() {
  local kind
  for kind in $measured; do
    begin "fio-$kind"
    measure "$kind"
    end
  done
}

measure() { # kind
  local kind=$1 device=/dev/shm/volume line
  [ "$kind" = ram ] || device=$(device_of "$kind")
  line=$(grep '^fio ' /vm/walk-through)
  line=${line//\/mnt\/pmfs2//mnt/$kind}
  [ "$kind" != ram ] || check 'a file in RAM is made' truncate -s 256M "$device"
  check "$kind: mkfs" pmfs2 mkfs --force "$device"
  mkdir -p "/mnt/$kind"
  check "$kind: mount" pmfs2 "$device" "/mnt/$kind"
  check "$kind: fio lays the file out" eval "$line --create_only=1"
  pages_written >"/vm/pages-$kind"
  check "$kind: fio" eval "$line --output-format=json --output=/vm/fio-$kind"
  pages_written >>"/vm/pages-$kind"
  check "$kind: the steps of a write" write_steps "$kind" "$line"
  check "$kind: umount" pmfs2 umount "/mnt/$kind"
  case $kind in
  pmem | memmap) check "$kind: what a sync takes" sync_costs "$kind" "$device" ;;
  esac
}

# What the kernel has written of its page cache, in pages. Nothing else is written in the guest meanwhile, and the driver
# of persistent memory keeps no statistics.
pages_written() { sed -n 's/^nr_written //p' /proc/vmstat; }

write_steps() { # kind, line of fio
  eval "$2 --output=/dev/null" &
  local fio=$!
  sleep 3
  python3 "$sources/test/vm/guest/write-steps.py" >"/vm/steps-$1"
  local status=$?
  wait "$fio" && return "$status"
}

sync_costs() { # kind, device
  python3 "$sources/test/vm/guest/sync-costs.py" "$2" >"/vm/sync-$1"
}
