# SPDX-License-Identifier: GPL-2.0-only
# Phases of the volume of two devices. Sourced by main.sh.

# A volume on both. A file takes most of the first one, so what comes later lies on both.
phase_two() {
  begin two
  check 'two: mkfs' pmfs2 mkfs --force $(devices_of two)
  check 'two: info says what each device is' tells_apart pmfs2 info --json "$(second_of_two)"
  mkdir -p /mnt/two
  check 'two: --require-dax refuses the first device' refuses_without_dax two
  check 'two: mount says what each device is' tells_apart pmfs2 "$(second_of_two)" /mnt/two
  check 'a file takes most of the first device' fallocate -l 31M /mnt/two/filler
  check 'two: umount' pmfs2 umount /mnt/two
  end
}

# What is said of each device, in their order.
tells_apart() { # command...
  local said=/tmp/said-two
  "$@" >"$said" 2>&1 || { cat "$said"; return 1; }
  cat "$said"
  [[ $(<"$said") == *"$(first_of_two)"*"${summaries[pmem]}"*"$(second_of_two)"*"${summaries[devdax]}"* ]]
}

# A volume on the first alone. It is grown by the second when the host says so, while it is mounted and changed, or not.
phase_alone() {
  begin alone
  check 'the first alone: mkfs' pmfs2 mkfs --force "$(first_of_two)"
  end
}

phase_grow_in_use() {
  grow_when_told /mnt/two &
  phase_load
}

# The host cuts the power.
phase_grow() {
  grow_when_told "$(first_of_two)"
  sleep infinity
}

grow_when_told() { # volume
  until [ -e /vm/grow ]; do sleep 0.5; done
  pmfs2 grow "$1" "$(second_of_two)" --force >/vm/grow.log 2>&1
  echo $? >/vm/grown.new
  mv /vm/grown.new /vm/grown
}
