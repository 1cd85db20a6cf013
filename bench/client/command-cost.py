# SPDX-License-Identifier: GPL-2.0-only
"""What a command costs: PROGRAM [ARGUMENT...]. Prints the seconds from its start to its return, and the most memory
that it had resident at any time, in KiB. Whatever the command prints goes to stderr. The exit code is the command's.

A process inherits the peak of the one that started it (getrusage(2), ru_maxrss), so that a command started by Node
would seem to take at least what Node does. Python takes some 10 MiB."""

import os
import sys
import time

start = time.perf_counter()
output_to_stderr = (os.POSIX_SPAWN_DUP2, 2, 1)
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=[output_to_stderr])
_, status, usage = os.wait4(pid, 0)
seconds = time.perf_counter() - start
print(f"{seconds:.6f} {usage.ru_maxrss}")
sys.exit(os.waitstatus_to_exitcode(status))
