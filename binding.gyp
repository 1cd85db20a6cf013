{
  "targets": [
    {
      "target_name": "pmfs2",
      "sources": [
        "src/native/arguments.c",
        "src/native/device.c",
        "src/native/exchange.c",
        "src/native/fault.c",
        "src/native/flush.c",
        "src/native/futex.c",
        "src/native/mapping.c",
        "src/native/module.c",
        "src/native/mount.c",
        "src/native/nontemporal.c",
        "src/native/persist.c",
        "src/native/ring.c",
        "src/native/ring-wait.c",
        "src/native/sync-batch.c",
        "src/native/thread.c",
        "src/native/view.c"
      ],
      "defines": ["NAPI_VERSION=8", "_GNU_SOURCE"],
      "cflags!": ["-O3"],
      "cflags": ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-fvisibility=hidden"],
      "ldflags": ["-Wl,-z,nodelete"]
    }
  ]
}
