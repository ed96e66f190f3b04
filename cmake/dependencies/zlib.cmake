# zlib 1.2 (Debian 12): compressed members of .npz files.
find_package(ZLIB REQUIRED)
