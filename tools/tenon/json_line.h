// What all JSON records have in common. Heavy: only for the files that make records.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace tenon::cli {

using Json = nlohmann::ordered_json;

// Every record says its schema first: the number changes when a key changes its meaning or goes.
inline Json record(std::string_view schema) { return {{"schema", "tenon." + std::string(schema)}}; }

// Names in a model need not be UTF-8.
inline std::string line(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace tenon::cli
