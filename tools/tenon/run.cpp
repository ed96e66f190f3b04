#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

#include "model_options.h"
#include "records.h"

namespace tenon::cli {

namespace {

struct Arguments {
  std::string artifact, output = ".", level;
  std::vector<std::string> inputs, dims;
  int threads = 1;
  bool huge_pages = false;
};

int run_artifact(const Arguments& arguments, Console& console) {
  const auto dims = parse_values(arguments.dims);
  if (!dims) return console.fail(dims.error());
  const auto outputs = run({.artifact = arguments.artifact,
                            .inputs = arguments.inputs,
                            .dims = *dims,
                            .output = arguments.output,
                            .threads = static_cast<unsigned>(std::max(1, arguments.threads)),
                            .level = arguments.level,
                            .huge_pages = arguments.huge_pages});
  if (!outputs) return console.fail(outputs.error());
  for (const NamedTensor& output : *outputs) {
    console.record(tensor_record(output));
    console.print(fmt::format("{:<24} {}[{}]\n", output.name, spelling(output.tensor.type),
                              fmt::join(output.tensor.dims, ",")));
  }
  return kOk;
}

}  // namespace

Command run_command() {
  auto a = std::make_shared<Arguments>();
  return {
      .name = "run",
      .summary = "Run an artifact on inputs from files",
      .examples =
          "tenon run out --input x=image.npy -o results   # writes results/OUTPUT.npy\n"
          "tenon run out --input batch.npz --dim S=16\n"
          "tenon run out --input random:0\n"
          "tenon run out --input test_data_set_0          # input_0.pb, input_1.pb ...",
      .options =
          {{"artifact", "ARTIFACT", "An artifact's folder, library or program", &a->artifact, {}, true},
           {"-i,--input", "NAME=FILE",
            ".npy or .pb per input, one .npz, a data set's folder, or random:SEED; repeatable", &a->inputs},
           {"--dim", "NAME=VALUE", "A symbolic dimension that the inputs leave open; repeatable", &a->dims},
           {"-o,--output", "DIR", "Folder for the outputs", &a->output},
           level_row(a->level),
           huge_pages_row(a->huge_pages),
           {"--workers", "N", "Threads to run on", &a->threads}},
      .run = [a](Console& console) { return run_artifact(*a, console); },
  };
}

}  // namespace tenon::cli
