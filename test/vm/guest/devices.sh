# SPDX-License-Identifier: GPL-2.0-only
# The guest's devices, a kind each. Sourced by main.sh.
#   pmem     an NVDIMM as the kernel finds it, which it maps through the page cache
#   devdax   an NVDIMM that ndctl has made a devdax namespace
#   daxfile  a file on ext4 that is mounted with -o dax=always, on an NVDIMM in mode fsdax
#   memmap   RAM that the kernel parameter memmap= makes a pmem device
# Two small NVDIMMs more make one volume, which is called `two`: the first as the kernel finds it, the second devdax.

# How each makes stores durable. The NVDIMMs do not claim that processor caches are durable, except in phases/eadr.sh.
declare -A domains=([pmem]=pages [devdax]=cache-lines [daxfile]=cache-lines [memmap]=pages)
# What mount and info say of each.
declare -A summaries=(
  [pmem]='persistent memory as a block device, mapped through the page cache: '
  [devdax]='persistent memory (devdax), mapped directly: '
  [daxfile]='a file on ext4 on persistent memory, mapped directly: '
  [memmap]='a block device that lies in RAM (memmap=): '
)
declare -A losses=(
  [pmem]='a power failure loses nothing that was acknowledged'
  [devdax]='a power failure loses nothing that was acknowledged'
  [daxfile]='a power failure loses nothing that was acknowledged'
  [memmap]='a power failure loses everything'
)
dax_folder=/mnt/dax

device_of() { # kind
  case $1 in
  pmem) echo "/dev/pmem${nvdimms[0]}" ;;
  devdax) echo "/dev/dax${nvdimms[1]}.0" ;;
  daxfile) echo $dax_folder/volume ;;
  memmap) echo "/dev/pmem${reserved[0]}" ;;
  # Any device of a volume stands for all of them.
  two) first_of_two ;;
  esac
}

first_of_two() { echo "/dev/pmem${nvdimms[3]}"; }
second_of_two() { echo "/dev/dax${nvdimms[4]}.0"; }

# All devices of a volume, in words.
devices_of() { # kind
  device_of "$1"
  [ "$1" != two ] || second_of_two
}

fsdax() { echo "/dev/pmem${nvdimms[2]}"; }

appears() { # command...: until it succeeds, for two minutes at the most
  local tries
  for tries in $(seq 600); do
    "$@" && return
    sleep 0.2
  done
  return 1
}

# Numbers of the regions on a bus, in the order of their addresses, which the kernel need not number them in.
regions_on() { # what the bus is called in sysfs
  local region
  for region in /sys/bus/nd/devices/region*; do
    case $(readlink -f "$region") in
    */"$1"/*) echo "$(($(<"$region/resource"))) ${region##*/region}" ;;
    esac
  done | sort -n | cut -d ' ' -f 2
}

all_regions_are_there() {
  nvdimms=($(regions_on ACPI0012:00))
  reserved=($(regions_on e820_pmem))
  [ ${#nvdimms[@]} = 5 ] && [ ${#reserved[@]} = 1 ]
}

# Modes of namespaces last from boot to boot.
find_devices() {
  appears all_regions_are_there || echo "vm: regions ${nvdimms[*]-} and ${reserved[*]-} are not all"
  mkdir -p $dax_folder
  case " $phases " in *' devices '*) return ;; esac
  mount_dax || echo 'vm: ext4 is not mounted'
  appears test -c "$(device_of devdax)" || echo 'vm: there is no devdax device'
  appears test -c "$(second_of_two)" || echo 'vm: there is no second devdax device'
}

# ext4 commits by itself after five minutes only. So where the blocks of a file lie is lost, unless MAP_SYNC has it stored.
mount_dax() { appears test -b "$(fsdax)" && mount -t ext4 -o dax=always,commit=300 "$(fsdax)" $dax_folder; }

# Its blocks are allocated, and take an entry of ext4's journal when they are stored to first.
make_file() { rm -f "$(device_of daxfile)" && fallocate -l 384M "$(device_of daxfile)"; }

make_devdax() { # number of an NVDIMM
  ndctl create-namespace -f -e "namespace$1.0" --mode=devdax && appears test -c "/dev/dax$1.0"
}

make_devices() {
  check 'the NVDIMM is there' appears test -b "$(device_of pmem)"
  check 'the reserved RAM is there' appears test -b "$(device_of memmap)"
  check 'ndctl makes a devdax namespace' make_devdax "${nvdimms[1]}"
  check 'ndctl makes another one' make_devdax "${nvdimms[4]}"
  check 'ndctl makes an fsdax namespace' ndctl create-namespace -f -e "namespace${nvdimms[2]}.0" --mode=fsdax
  check 'the fsdax device is there' appears test -b "$(fsdax)"
  check 'ext4 is made' mkfs.ext4 -q -b 4096 "$(fsdax)"
  check 'ext4 is mounted' mount_dax
  check 'the file is made' make_file
}

# Where the bytes of each lie: its region's address, its own, and its size. A namespace begins with the kernel's record of it,
# except for one as the kernel finds it. The file on ext4 lies somewhere in what is said of it.
tell_places() {
  local nd=/sys/bus/nd/devices place
  local -A at=(
    [pmem]="region${nvdimms[0]} namespace${nvdimms[0]}.0"
    [devdax]="region${nvdimms[1]} dax${nvdimms[1]}.0"
    [daxfile]="region${nvdimms[2]} pfn${nvdimms[2]}.0"
    [memmap]="region${reserved[0]} namespace${reserved[0]}.0"
    [first]="region${nvdimms[3]} namespace${nvdimms[3]}.0"
    [second]="region${nvdimms[4]} dax${nvdimms[4]}.0"
  )
  for place in "${!at[@]}"; do
    set -- ${at[$place]}
    echo "$place $(($(cat $nd/$1/resource))) $(($(cat $nd/$2/resource))) $(cat $nd/$2/size)" || return
  done >/vm/places
}
