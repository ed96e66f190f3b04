# SQLite 3.40 (Debian 12): the telemetry store.
find_package(SQLite3 3.40 REQUIRED)
