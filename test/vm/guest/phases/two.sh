# SPDX-License-Identifier: GPL-2.0-only
# Phases of the volume of two devices. Sourced by main.sh.

# A volume on both. A file takes most of the first one, so what comes later lies on both.
phase_two() {
  begin two
  check 'two: mkfs' pmfs2 mkfs --force $(devices_of two)
  mkdir -p /mnt/two
  check 'two: mount' pmfs2 "$(second_of_two)" /mnt/two
  check 'a file takes most of the first device' fallocate -l 31M /mnt/two/filler
  check 'two: umount' pmfs2 umount /mnt/two
  end
}

# A volume on the first alone, mounted and changed. It is grown by the second when the host says so.
phase_grow() {
  begin grow
  check 'the first alone: mkfs' pmfs2 mkfs --force "$(first_of_two)"
  end
  phase_mount
  grow_when_told &
  phase_load
}

grow_when_told() {
  until [ -e /vm/grow ]; do sleep 0.5; done
  pmfs2 grow /mnt/two "$(second_of_two)" --force >/vm/grow.log 2>&1
  echo $? >/vm/grown
}
