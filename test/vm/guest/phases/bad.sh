# SPDX-License-Identifier: GPL-2.0-only
# Blocks that go bad. The kernel gets a machine check from its own injector (mce-inject); it then lists the place in the
# region's badblocks, and refuses to read it or to map it. QEMU's NVDIMMs know no `ndctl inject-error`. Sourced by main.sh.
# Devdax has no driver in between, and emulated memory does not fail: there the list alone shows a bad block.

injector=/sys/kernel/debug/mce-inject
# Blocks of each file, and the bad one in it.
file_blocks=16
bad_index=5

phase_bad() {
  local kind
  begin injector
  check 'debugfs is mounted' mount -t debugfs debugfs /sys/kernel/debug
  check 'the kernel has an injector of machine checks' test -d $injector
  end
  for kind in $kinds; do
    [ "$kind" = memmap ] || go_bad_on "$kind" &
  done
  wait
}

go_bad_on() { # kind
  local kind=$1 folder=/mnt/$1 device name
  device=$(device_of "$kind")
  local -A inode
  begin "bad-$kind"
  mkdir -p "$folder"
  [ "$kind" != daxfile ] || check 'the file is made' make_file
  check "$kind: mkfs" pmfs2 mkfs --force "$device"
  check "$kind: mount" pmfs2 "$device" "$folder"
  check "$kind: files are written" write_files "$folder"
  for name in early late; do inode[$name]=$(stat -c %i "$folder/$name"); done
  check "$kind: umount" pmfs2 umount "$folder"

  check "$kind: a block goes bad" make_bad "$kind" "${inode[early]}"
  check "$kind: mount once more" pmfs2 "$device" "$folder"
  check "$kind: its page alone cannot be read" bad_blocks judge "$folder/early" $file_blocks $bad_index
  check "$kind: other files can" bad_blocks judge "$folder/good" $file_blocks
  if [ "$kind" != devdax ]; then
    check "$kind: another one goes bad while it is mounted" make_bad "$kind" "${inode[late]}"
    check "$kind: its page alone cannot be read" bad_blocks judge "$folder/late" $file_blocks $bad_index
  fi
  check "$kind: files are still written" bad_blocks write "$folder/new" $file_blocks
  check "$kind: and read" bad_blocks judge "$folder/new" $file_blocks
  check "$kind: the damaged file is removed" rm "$folder/early"
  check "$kind: nothing else has changed" bad_blocks judge "$folder/good" $file_blocks
  check "$kind: info reports bad blocks" reports_bad_blocks 0 info "$folder"
  check "$kind: umount" pmfs2 umount "$folder"
  case $kind in
  # The file that had the bad block is gone.
  devdax) check "$kind: fsck finds nothing" pmfs2 fsck "$device" ;;
  *) check "$kind: fsck reports them, with exit code 4" reports_bad_blocks 4 fsck "$device" ;;
  esac
  end
}

# What lies behind the others is not mapped by the same page of 2 MiB.
write_files() { # folder
  bad_blocks write "$1/good" $file_blocks && bad_blocks write "$1/early" $file_blocks &&
    fallocate -l 8M "$1/between" && bad_blocks write "$1/late" $file_blocks
}

bad_blocks() { python3 "$sources/test/vm/guest/bad-blocks.py" "$@"; }

reports_bad_blocks() { # exit code, command, target
  local told status
  told=$(pmfs2 "${@:2}")
  status=$?
  echo "$status $told"
  [ "$status" = "$1" ] && [[ $told == *bad\ block* ]]
}

# Has the kernel know a block of a file as bad.
make_bad() { # kind, inode
  local block address
  block=$(pmfs2 dump "$(device_of "$1")" blocks "$2" --json | bad_blocks block $bad_index) || return
  address=$(address_of "$1" "$block") || return
  echo "block $block of $1, at $address"
  inject "$address"
  appears lists_bad "$1" "$address" || return
  # Of a page that the kernel has cached it need not ask the device.
  sync
  echo 3 >/proc/sys/vm/drop_caches
}

# The address in memory of a block of a volume.
address_of() { # kind, block
  local place region resource size at=$2
  while read -r place region resource size; do
    [ "$place" = "$1" ] || continue
    [ "$1" != daxfile ] || at=$(block_below "$2") || return
    echo $((resource + at * 4096))
    return
  done </vm/places
  return 1
}

# The block of the device below ext4 that has a block of the file.
block_below() { # block
  filefrag -b4096 -v "$(device_of daxfile)" | python3 -c '
import re, sys
for line in sys.stdin:
    extent = re.match(r" *\d+: *(\d+)\.\. *(\d+): *(\d+)\.\.", line)
    if extent and int(extent[1]) <= int(sys.argv[1]) <= int(extent[2]):
        print(int(extent[3]) + int(sys.argv[1]) - int(extent[1]))
        sys.exit()
sys.exit("the file has no such block")' "$1"
}

# An uncorrected error of memory as AMD processors report it, which is what QEMU emulates: valid, uncorrected, enabled,
# with an address, extended error code 8, in bank 4 (amd_mce_is_memory_error() in arch/x86/kernel/cpu/mce/amd.c).
inject() { # address
  (
    flock 9
    echo sw >$injector/flags
    echo 0xb400000000080000 >$injector/status
    echo "$1" >$injector/addr
    echo 4 >$injector/bank
  ) 9>/tmp/injector
}

# Whether the region lists the place, in sectors of 512 bytes from its beginning.
lists_bad() { # kind, address
  local place region rest first count sector
  while read -r place region rest; do
    [ "$place" != "$1" ] || break
  done </vm/places
  sector=$((($2 - region) / 512))
  while read -r first count; do
    [ "$sector" -ge "$first" ] && [ "$sector" -lt $((first + count)) ] && return
  done <"$(region_at "$region")/badblocks"
  return 1
}

region_at() { # address
  local region
  for region in /sys/bus/nd/devices/region*; do
    [ $(($(<"$region/resource"))) != "$1" ] || echo "$region"
  done
}
