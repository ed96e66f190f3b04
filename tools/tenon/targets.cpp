#include "tenon/target.h"

#include <fmt/format.h>

#include <memory>

#include "command.h"
#include "records.h"

namespace tenon::cli {

namespace {

std::string rate(double value) {
  return value >= 100 ? fmt::format("{:.0f}", value) : fmt::format("{:.3g}", value);
}

void print_details(Console& console, const Target& target) {
  std::string text = fmt::format("{}: {}\n  triple    {}\n  cpu       {}\n", target.name, target.description,
                                 target.triple, target.cpu);
  if (!target.features.empty()) text += fmt::format("  features  {}\n", target.features);
  text += fmt::format("  checked   {}\n", fmt::join(target.cpu_check, " "));
  text += fmt::format("  vectors   {} registers of {} bytes\n  atoms    ", target.vector_registers,
                      target.vector_bytes);
  for (const Atom& atom : target.atoms)
    text += fmt::format(" {}({}x{}->{}, {} x {})", atom.name, spelling(atom.a), spelling(atom.b),
                        spelling(atom.acc), atom.lanes, atom.k);
  text += fmt::format("\n  caches    L1d {} KiB, L2 {} KiB, L3 {} KiB\n", target.l1d_bytes >> 10,
                      target.l2_bytes >> 10, target.l3_bytes >> 10);
  text += fmt::format("  rates     {} GFLOP/s f32, {} GOP/s int8; GB/s: L1 {}, L2 {}, L3 {}, memory {}\n",
                      rate(target.gflops_f32), rate(target.gops_i8), rate(target.l1_gb_per_s),
                      rate(target.l2_gb_per_s), rate(target.l3_gb_per_s), rate(target.dram_gb_per_s));
  console.print(text);
}

}  // namespace

Command targets_command() {
  auto names = std::make_shared<std::vector<std::string>>();
  return {
      .name = "targets",
      .summary = "List the devices that code can be made for",
      .examples =
          "tenon targets                 # all\n"
          "tenon targets native          # what this machine is taken for\n"
          "tenon targets ./my-board.toml # check a target file of one's own",
      .options = {{"target", "TARGET", "Names or .toml files to show in detail", names.get()}},
      .run =
          [names](Console& console) {
            for (const std::string& name : names->empty() ? target_names() : *names) {
              const auto target = load_target(name);
              if (!target) return console.fail(target.error());
              console.record(target_record(*target));
              if (names->empty())
                console.print(fmt::format("{:<16} {}\n", name, target->description));
              else
                print_details(console, *target);
            }
            return int{kOk};
          },
  };
}

}  // namespace tenon::cli
