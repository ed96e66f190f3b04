# nlohmann-json 3.11: manifests and --json records.
find_package(nlohmann_json REQUIRED)
