# CLI11 2.1: the command line. In tools/tenon only.
find_package(CLI11 REQUIRED)
