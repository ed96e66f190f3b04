#include "tenon/target.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace tenon {
namespace {

constexpr std::string_view kSmall = R"(
description = "d"
triple = "x86_64-unknown-linux-gnu"
cpu = "x86-64"
check = ["sse2"]
[vector]
bytes = 16
registers = 16
masked_memory = false
[[atom]]
name = "fma"
types = ["f32", "f32", "f32"]
lanes = 4
[[atom]]
name = "vpdpbusd"
types = ["u8", "i8", "i32"]
lanes = 4
k = 4
requires = "avxvnni"
[cache]
l1d_bytes = 1
l2_bytes = 2
l3_bytes = 3
line_bytes = 64
[rates]
gflops_f32 = 1
gops_i8 = 1
l1_gb_per_s = 1.5
l2_gb_per_s = 1
l3_gb_per_s = 1
dram_gb_per_s = 1
fork_us = 1
)";

std::string replaced(std::string_view from, std::string_view to) {
  std::string text(kSmall);
  text.replace(text.find(from), from.size(), to);
  return text;
}

void expect_error(const std::string& toml, std::string_view part) {
  auto target = parse_target(toml, "small");
  ASSERT_FALSE(target);
  EXPECT_TRUE(std::ranges::any_of(target.error(), [&](const Diag& diag) {
    return diag.code == Code::E0402 && diag.message.find(part) != std::string::npos;
  })) << target.error()[0].message;
}

TEST(Target, EveryEmbeddedFileLoads) {
  for (const std::string& name : target_names()) {
    auto target = load_target(name);
    ASSERT_TRUE(target) << name << ": " << target.error()[0].message;
    EXPECT_EQ(target->name, name);
    EXPECT_FALSE(target->atoms.empty());
    EXPECT_GT(target->gflops_f32, 0);
    for (const Atom& atom : target->atoms)
      EXPECT_EQ(atom.lanes * bits(atom.acc), target->vector_bytes * 8) << name << " " << atom.name;
  }
}

TEST(Target, PrintedFilesReadBackTheSame) {
  for (const std::string& name : target_names()) {
    const auto target = load_target(name);
    ASSERT_TRUE(target) << name;
    const std::string text = to_toml(*target, "heading", {{"fork_us", "a note"}});
    const auto again = parse_target(text, name);
    ASSERT_TRUE(again) << text;
    EXPECT_EQ(to_toml(*again, "heading", {{"fork_us", "a note"}}), text);
    EXPECT_EQ(again->features, target->features);
    EXPECT_EQ(again->cpu_check, target->cpu_check);
    EXPECT_EQ(again->atoms.size(), target->atoms.size());
    EXPECT_EQ(again->l1_gb_per_s, target->l1_gb_per_s);
    EXPECT_EQ(again->qemu, target->qemu);
  }
}

TEST(Target, WhereOneDnnWasFaster) {
  const std::string text = std::string(kSmall) + "\n[onednn]\nmatmul = 1.2\nstem = 0.75\n";
  const auto target = parse_target(text, "small");
  ASSERT_TRUE(target) << target.error()[0].message;
  EXPECT_EQ(target->onednn, (std::map<std::string, double>{{"matmul", 1.2}, {"stem", 0.75}}));
  const auto again = parse_target(to_toml(*target, "", {}), "small");
  ASSERT_TRUE(again);
  EXPECT_EQ(again->onednn, target->onednn);
  const auto wrong = parse_target(std::string(kSmall) + "\n[onednn]\nlarge = 1.2\n", "small");
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error()[0].message.find("`onednn.large` is not a key"), std::string::npos);
}

TEST(Target, AtomsThatNeedAFeatureAreLeftOutWithoutIt) {
  auto target = parse_target(kSmall, "small");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->atoms.size(), 1u);
  auto with = parse_target(replaced("[\"sse2\"]", "[\"avxvnni\"]"), "small");
  ASSERT_TRUE(with);
  ASSERT_EQ(with->atoms.size(), 2u);
  EXPECT_EQ(with->atoms[1].a, DType::U8);
  EXPECT_EQ(with->atoms[1].k, 4);
}

TEST(Target, FilesAreReadStrictly) {
  expect_error(replaced("cpu = \"x86-64\"", "cpu = 3"), "`cpu` has the wrong type");
  expect_error(replaced("cpu = \"x86-64\"", ""), "`cpu` is missing");
  expect_error(replaced("line_bytes", "line_size"), "`cache.line_size` is not a key");
  expect_error(replaced("l1d_bytes = 1", "l1d_bytes = -1"), "`cache.l1d_bytes` has the wrong type");
  expect_error(replaced("\"f32\", \"f32\", \"f32\"", "\"f32\", \"f32\""), "`atom.types` must be");
  expect_error(replaced("\"f32\", \"f32\", \"f32\"", "\"f32\", \"f33\", \"f32\""),
               "`atom.types` has the wrong type");
  expect_error("description = ", "line 1");
}

TEST(Target, UnknownNamesListTheKnown) {
  auto target = load_target("z80");
  ASSERT_FALSE(target);
  EXPECT_EQ(target.error()[0].code, Code::E0401);
  EXPECT_NE(target.error()[0].hint.find("x86-64-v3"), std::string::npos);
  auto file = load_target("nowhere/x.toml");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error()[0].code, Code::E0101);
}

TEST(Target, TilesAreAtomsWithRowsAndARate) {
  auto loaded = load_target("sapphirerapids");
  ASSERT_TRUE(loaded);
  const Atom* tiles = loaded->find("tdpbf16ps");
  ASSERT_TRUE(tiles);
  EXPECT_EQ(tiles->rows, 16);
  EXPECT_EQ(tiles->k, 32);
  EXPECT_GT(tiles->gops, loaded->gflops_f32);
  auto again = parse_target(to_toml(*loaded, "", {}), "again");
  ASSERT_TRUE(again);
  EXPECT_EQ(again->find("tdpbf16ps")->gops, tiles->gops);
  EXPECT_EQ(again->find("tdpbssd")->rows, 16);
  EXPECT_FALSE(load_target("x86-64-v3")->find("tdpbf16ps"));
}

}  // namespace
}  // namespace tenon
