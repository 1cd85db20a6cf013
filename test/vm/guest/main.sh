#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What a guest does in one boot: the phases that the host asks for, in their order. Each writes TAP files to /vm/tap, with
# a plan at the end. The host counts a file without one as a failure, so a guest that dies does not pass.
# Files of phases/ add further ones.
set -u
: >/vm/started
. /vm/settings
. /vm/suites
. "$sources/test/vm/guest/devices.sh"
for file in "$sources"/test/vm/guest/phases/*.sh; do . "$file"; done

count=0
tap=
points=0

begin() { # name: starts a TAP file
  tap=/vm/tap/$(printf %02d "$count")-$1.tap
  points=0
  echo 'TAP version 14' >"$tap"
}

end() {
  echo "1..$points" >>"$tap"
}

check() { # what, command...: shows what the command said if it fails
  # Programs are slow to start here, so none is but the command. A server in the background must not hold a pipe open.
  local what=$1 output=/tmp/check-$BASHPID status line
  shift
  points=$((points + 1))
  "$@" >"$output" 2>&1
  status=$?
  {
    [ $status = 0 ] && echo "ok $points - ${what//#/}"
    [ $status = 0 ] || { echo "not ok $points - ${what//#/}"; echo "# exit code $status"; }
    while read -r line; do
      case $status:$line in
      # What fio has measured.
      0:READ:* | 0:WRITE:*) echo "# figures: $line" ;;
      0:*) ;;
      *) echo "# $line" ;;
      esac
    done <"$output"
  } >>"$tap"
  return $status
}

program() { # TAP file, command...: one that writes TAP by itself
  local name=$1
  shift
  "$@" >"/vm/tap/$(printf %02d "$count")-$name.tap" 2>"/vm/tap/$(printf %02d "$count")-$name.err"
}

pmfs2() { "$node" "$package/bin/pmfs2-fuse.js" "$@"; }

# The README's commands start the program by npx, which takes half a minute to find it here.
npx() {
  local name=$1
  shift
  "$node" "$package/bin/$name.js" "$@"
}

phase_devices() {
  begin devices
  make_devices
  check 'the host is told where the devices lie' tell_places
  end
}

# The README's commands for /dev/pmem0.
phase_walk() {
  local kind line
  for kind in $kinds; do
    (
      begin "walk-$kind"
      while read -r line; do
        case $line in
        'npx pmfs2-fuse /dev/'*) check "$kind: $line" tells "$kind" "$(on_device "$kind" "$line")" ;;
        'cat '*) check "$kind: $line" greets "$(on_device "$kind" "$line")" ;;
        *) check "$kind: $line" eval "$(on_device "$kind" "$line")" ;;
        esac
      done </vm/walk-through
      end
    ) &
  done
  wait
}

# What else is said of the devices, while nothing is mounted.
phase_offline() {
  local kind
  for kind in $kinds; do
    (
      begin "offline-$kind"
      check "$kind: fsck" pmfs2 fsck "$(device_of "$kind")"
      check "$kind: durable by ${domains[$kind]}" is_told "$kind"
      case ${domains[$kind]} in
      pages) check "$kind: --require-dax refuses it" refuses_without_dax "$kind" ;;
      *) check "$kind: require_dax takes it" takes_as_dax "$kind" ;;
      esac
      check "$kind: --mapper mmap-io serves it" serves_by_package "$kind"
      end
    ) &
  done
  wait
}

on_device() { # kind, command of the README
  local line=${2//\/dev\/pmem0/$(device_of "$1")}
  # The others are mounted as well.
  line=${line/grep pmfs2/grep "/mnt/$1"}
  echo "${line//\/mnt\/pmfs2//mnt/$1}"
}

# The file has what the command before has written.
greets() { # command
  local said
  said=$(eval "$1")
  echo "$said"
  [ "$said" = 'hello, world' ]
}

# A mount says what the device is, and what a power failure takes away.
tells() { # kind, command
  local said=/tmp/said-$1
  eval "$2" >"$said" 2>&1 || { cat "$said"; return 1; }
  cat "$said"
  [[ $(<"$said") == *" is ${summaries[$1]}"*"${losses[$1]}"* ]]
}

# What info says of the device.
is_told() { # kind
  local told
  told=$(pmfs2 info --json "$(device_of "$1")")
  echo "$told"
  grep -qE "\"domain\": *\"${domains[$1]}\"" <<<"$told" || return
  [[ $told == *"\"${summaries[$1]}"*"${losses[$1]}"* ]]
}

# The device is named; of a volume of two, the one that is mapped through the page cache.
refuses_without_dax() { # volume
  local output
  output=$(pmfs2 "$(device_of "$1")" "/mnt/$1" --require-dax 2>&1)
  local status=$?
  echo "$status: $output"
  [ $status = 32 ] && [[ $output == *"$(device_of "$1") is "*'require_dax takes only what is mapped directly'* ]]
}

takes_as_dax() { # kind
  pmfs2 "$(device_of "$1")" "/mnt/$1" -o require_dax && pmfs2 umount "/mnt/$1"
}

serves_by_package() { # kind
  local device=$(device_of "$1") file=/mnt/$1/by-mmap-io
  pmfs2 "$device" "/mnt/$1" --mapper mmap-io && cp /bin/bash "$file" &&
    pmfs2 info "/mnt/$1" | grep -F 'by mmap-io' && pmfs2 umount "/mnt/$1" && pmfs2 fsck "$device" || return
  # Read by the native mapper, after the page cache has gone with the mount.
  pmfs2 "$device" "/mnt/$1" && cmp /bin/bash "$file" && rm "$file" && pmfs2 umount "/mnt/$1"
}

# Empty volumes, without the README's commands.
phase_make() {
  local volume
  begin make
  check 'the file is made' make_file
  for volume in $volumes; do check "$volume: mkfs" pmfs2 mkfs --force $(devices_of "$volume"); done
  end
}

# A few suites on what is mounted.
phase_posix() {
  local kind places=()
  for kind in $kinds; do places+=("/mnt/$kind:${suites[$kind]// /,}"); done
  program posix "$node" "$sources/dist/test/vm/guest-suites.js" --mounted "${places[@]}"
}

phase_suites() {
  local volume
  for volume in $volumes; do
    program "suites-$volume" "$node" "$sources/dist/test/vm/guest-suites.js" \
      "$(devices_of "$volume" | paste -s -d ,)" ${suites[$volume]} &
  done
  wait
}

phase_fsck() {
  local volume
  program fsck "$node" "$sources/dist/test/vm/guest-fsck.js" \
    $(for volume in $volumes; do devices_of "$volume" | paste -s -d ,; done)
}

phase_mount() {
  local volume
  local -A servers
  begin mount
  for volume in $volumes; do
    mkdir -p "/mnt/$volume"
    pmfs2 "$(device_of "$volume")" "/mnt/$volume" -f >"/vm/server-$volume.log" 2>&1 &
    servers[$volume]=$!
  done
  for volume in $volumes; do check "$volume is mounted" becomes_mounted "$volume" "${servers[$volume]}"; done
  end
}

becomes_mounted() { # volume, server
  until mountpoint -q "/mnt/$1"; do
    kill -0 "$2" || { cat "/vm/server-$1.log"; return 1; }
    sleep 0.2
  done
}

phase_unmount() {
  local volume
  begin unmount
  for volume in $volumes; do check "$volume is unmounted" umount "/mnt/$volume"; done
  check 'the servers end' wait
  end
}

places() {
  local volume
  for volume in $volumes; do echo "/mnt/$volume"; done
}

# What the host was told in each earlier round that has not been removed since.
phase_judge() {
  local earlier
  for earlier in $judged; do
    program "judge-$earlier" python3 "$sources/test/vm/guest/power-load.py" judge \
      "$earlier" "$seed" "$workers" "/vm/told-$earlier" $(places)
  done
}

# Goes on until the host cuts the power, or for so many operations of each process.
phase_load() {
  program load python3 "$sources/test/vm/guest/power-load.py" load \
    "$round" "$seed" "$workers" "/vm/told-$round" $(places) ${operations:+--operations "$operations"}
}

find_devices
for phase in $phases; do
  count=$((count + 1))
  echo "$phase" >/vm/phase
  "phase_$phase"
done
# What was wrong is in the TAP files.
exit 0
