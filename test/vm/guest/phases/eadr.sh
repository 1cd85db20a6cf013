# SPDX-License-Identifier: GPL-2.0-only
# A platform that says that its processor caches are durable (eADR). Sourced by main.sh.

# What is mapped directly needs a fence alone. What lies behind the page cache still needs fdatasync(2).
phase_eadr() {
  local kind
  for kind in devdax daxfile; do
    domains[$kind]=fence-only
    summaries[$kind]+='a change is durable once it is fenced, as the caches of the processor are durable (eADR); '
  done
  begin eadr
  check 'the kernel says so' grep -x cpu_cache "/sys/bus/nd/devices/region${nvdimms[0]}/persistence_domain"
  for kind in $kinds; do check "$kind: durable by ${domains[$kind]}" is_told "$kind"; done
  check 'two: info says what each device is' tells_apart pmfs2 info --json "$(first_of_two)"
  end
}
