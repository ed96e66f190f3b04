// The evaluation against telemetry whose truth is known.
#include "tenon/evaluate.h"

#include <gtest/gtest.h>

#include "../../src/learn/families.h"
#include "../../src/learn/metrics.h"
#include "../../src/learn/splits.h"
#include "synthetic.h"

namespace tenon {
namespace {

using testing::Campaign;

const Figure& figure(const std::vector<MethodFigures>& methods, const std::string& method, Metric metric) {
  const auto at = std::ranges::find(methods, method, &MethodFigures::method);
  TENON_CHECK(at != methods.end(), "method");
  return (*at)[metric];
}

EvaluateOptions quick(std::vector<std::string> stores, Leave leave) {
  return {.data = {.stores = std::move(stores), .device = "all", .compiler = {}, .grow = {.rounds = 60, .depth = 5, .eta = 0.15, .patience = 10}}, .leave = leave, .seeds = 2, .progress = {}};
}

TEST(Evaluate, LearnsWhatThePriorMissesAndNotWhatItNeverSaw) {
  const telemetry::Folder folder;
  testing::fill(folder / "t.db", {}, 1);
  const auto family = evaluate(quick({folder / "t.db"}, Leave::Family)), op = evaluate(quick({folder / "t.db"}, Leave::Operator));
  ASSERT_TRUE(family) << family.error()[0].message;
  ASSERT_TRUE(op) << op.error()[0].message;
  ASSERT_EQ(family->splits.size(), 5U);  // the two resnets are one
  ASSERT_EQ(op->splits.size(), 3U);
  EXPECT_EQ(family->timings, 6 * 6 * 20);
  for (const EvaluatedSplit& split : family->splits) {
    EXPECT_EQ(split.skipped, "");
    EXPECT_EQ(split.training + split.timings, family->timings);
    EXPECT_EQ(split.groups, split.left_out == "resnet-like" ? 12 : 6);
  }
  auto mape = [](const EvaluationReport& r, const std::string& method) { return figure(r.all, method, Metric::Mape).value; };
  EXPECT_GT(mape(*family, "prior"), 0.3);
  EXPECT_LT(mape(*family, "model"), 0.12);
  EXPECT_LT(mape(*family, "model"), mape(*family, "without prior"));
  EXPECT_GT(mape(*op, "model"), 1.5 * mape(*family, "model"));
  EXPECT_EQ(mape(*op, "prior"), mape(*family, "prior"));  // it learns nothing
  auto at = [&](const std::string& method, Metric metric) { return figure(family->all, method, metric); };
  EXPECT_LT(at("model", Metric::Top1).value, at("random", Metric::Top1).value / 3);
  EXPECT_LE(at("model", Metric::Top8).value, at("model", Metric::Top1).value);
  EXPECT_GT(at("model", Metric::Pairs).value, 0.9);
  EXPECT_EQ(at("random", Metric::Pairs).value, 0.5);
  EXPECT_EQ(at("rules", Metric::Top1).groups, 36);
  EXPECT_EQ(at("rules", Metric::Mape).groups, 0);
  EXPECT_EQ(at("prior", Metric::Coverage).groups, 0);
  for (const MethodFigures& method : family->all)
    for (const Figure& f : method.figures) EXPECT_TRUE(f.groups == 0 || (f.low <= f.value + 1e-9 && f.value <= f.high + 1e-9)) << method.method;
}

TEST(Evaluate, TheSameForAnyOrderOfStoresAndAnyThreads) {
  const telemetry::Folder folder;
  Campaign first, second;
  first.models = {"resnet18", "mobilenet_v2"}, second.models = {"bert_base", "unet_small"};
  first.truth.forbidden = second.truth.forbidden = 0.8;
  testing::fill(folder / "a.db", first, 1);
  testing::fill(folder / "b.db", second, 2);
  auto trained = [&](std::vector<std::string> stores, int threads) {
    const auto report = train({.stores = std::move(stores), .device = "all", .compiler = {}, .grow = {.rounds = 20, .threads = threads}});
    EXPECT_TRUE(report) << report.error()[0].message;
    EXPECT_FALSE(report->model.failures.empty());
    EXPECT_GT(report->model.calibration.scale, 0);
    return print(report->model);
  };
  const std::string one = trained({folder / "a.db", folder / "b.db"}, 1);
  EXPECT_EQ(trained({folder / "b.db", folder / "a.db"}, 1), one);
  EXPECT_EQ(trained({folder / "b.db", folder / "a.db", folder / "b.db"}, 2), one);
  EXPECT_EQ(trained({folder / "a.db", folder / "b.db"}, 4), one);
  auto evaluated = [&](std::vector<std::string> stores, int threads) {
    EvaluateOptions options = quick(std::move(stores), Leave::Family);
    options.data.grow.threads = threads, options.seeds = 1;
    std::vector<double> values;
    const auto report = evaluate(options);
    for (const MethodFigures& method : report->all)
      for (const Figure& f : method.figures) values.insert(values.end(), {f.value, f.low, f.high});
    return values;
  };
  EXPECT_EQ(evaluated({folder / "a.db", folder / "b.db"}, 1), evaluated({folder / "b.db", folder / "a.db"}, 2));
}

TEST(Evaluate, FailuresAreAvoidedOnceKnown) {
  const telemetry::Folder folder;
  Campaign campaign;
  campaign.truth.forbidden = 0.7;  // the fast end: without this knowledge it is tried first
  testing::fill(folder / "t.db", campaign, 3);
  const auto report = evaluate(quick({folder / "t.db"}, Leave::Family));
  ASSERT_TRUE(report);
  EXPECT_GT(report->failures, 100);
  EXPECT_LT(figure(report->all, "model", Metric::Failed).value, 0.05);
  EXPECT_GT(figure(report->all, "without prior", Metric::Failed).value, 0.2);
  EXPECT_NEAR(figure(report->all, "random", Metric::Failed).value, 0.3, 0.05);
}

TEST(Evaluate, ProbesAdaptToADeviceThatWasLeftOut) {
  const telemetry::Folder folder;
  Campaign campaign;
  campaign.devices = {1, 1.1, 2.2};
  testing::fill(folder / "t.db", campaign, 4);
  EvaluateOptions options = quick({folder / "t.db"}, Leave::Device);
  options.probes = 32;
  const auto report = evaluate(options);
  ASSERT_TRUE(report) << report.error()[0].message;
  ASSERT_EQ(report->splits.size(), 3U);
  EXPECT_EQ(report->machines, 1);
  EXPECT_NE(report->notes[0].find("weaker"), std::string::npos);
  for (const EvaluatedSplit& split : report->splits)
    if (split.left_out.starts_with("level2.2")) {
      EXPECT_GT(figure(split.methods, "model", Metric::Mape).value, 0.4);
      EXPECT_LT(figure(split.methods, "adapted", Metric::Mape).value, 0.1);
    }
  EXPECT_FALSE(evaluate(quick({folder / "t.db"}, Leave::Machine)));  // there is one only
  const auto later = evaluate(quick({folder / "t.db"}, Leave::Later));
  ASSERT_TRUE(later) << later.error()[0].message;
  ASSERT_EQ(later->splits.size(), 1U);
  EXPECT_NEAR(static_cast<double>(later->splits[0].timings), 0.25 * static_cast<double>(later->timings), 120);
}

// Five schedules: times 1, 1.02, 2, 3 and one that failed.
TEST(Metrics, AreWhatTheySay) {
  std::vector<Sample> samples(5);
  const double seconds[] = {2, 1, 3, 1.02, 0};
  for (size_t k = 0; k < 5; ++k) samples[k].timing.seconds = seconds[k], samples[k].status = k == 4 ? telemetry::Status::Timeout : telemetry::Status::Ok;
  samples[0].timing.rules = true;
  std::vector<const Sample*> group;
  for (const Sample& s : samples) group.push_back(&s);
  // 3 is thought to be faster than all, the one that fails fastest.
  std::vector<Said> said = {{.mean = std::log(2.0)}, {.mean = std::log(1.1)}, {.mean = std::log(0.6)}, {.mean = std::log(1.0)}, {.mean = -3}};
  for (Said& s : said) s.interval = {.low = 0.9, .high = 1.5};
  auto ratio = [](const Tallies& t, Metric m) { return t[static_cast<size_t>(m)].sum / t[static_cast<size_t>(m)].count; };
  Tallies judged = judge(group, said);
  EXPECT_NEAR(ratio(judged, Metric::Top1), 2, 1e-12);  // the failure is as slow as the slowest
  EXPECT_NEAR(ratio(judged, Metric::Failed), 0.2, 1e-12);
  EXPECT_NEAR(ratio(judged, Metric::Pairs), 2.0 / 5, 1e-12);  // 1 and 1.02 do not count; 3 is wrong with three others
  EXPECT_NEAR(ratio(judged, Metric::Mape), (0 + 0.1 + 0.8 + (1 - 1 / 1.02)) / 4, 1e-12);
  EXPECT_NEAR(ratio(judged, Metric::Coverage), 0.5, 1e-12);
  EXPECT_EQ(judged[static_cast<size_t>(Metric::Top8)].groups, 0);
  said[4].failure = 0.9, said[2].mean = 2;
  judged = judge(group, said);
  EXPECT_NEAR(ratio(judged, Metric::Top1), 0.02, 1e-12);
  EXPECT_NEAR(ratio(judged, Metric::Pairs), 1, 1e-12);
  EXPECT_NEAR(ratio(judge_rules(group), Metric::Top1), 1, 1e-12);
  EXPECT_NEAR(ratio(judge_random(group), Metric::Top1), (0 + 0.02 + 1 + 2 + 2) / 5, 1e-12);
}

TEST(Metrics, RandomIsTheMeanOfAllDraws) {
  std::vector<Sample> samples(20);
  for (size_t k = 0; k < samples.size(); ++k) samples[k].timing.seconds = 1 + static_cast<double>(k * k);
  std::vector<const Sample*> group;
  for (const Sample& s : samples) group.push_back(&s);
  testing::Dice dice(1);
  double sum = 0;
  constexpr int kDraws = 200000;
  for (int d = 0; d < kDraws; ++d) {
    size_t best = 20;
    std::vector<bool> taken(20);
    for (int t = 0; t < 8;) {
      const size_t k = dice.below(20);
      if (taken[k]) continue;
      taken[k] = true, best = std::min(best, k), ++t;
    }
    sum += samples[best].timing.seconds - 1;
  }
  const Tally top8 = judge_random(group)[static_cast<size_t>(Metric::Top8)];
  EXPECT_NEAR(top8.sum, sum / kDraws, 0.05);
}

TEST(Families, EveryKnownModelHasOne) {
  for (const auto& [model, family] : {std::pair("resnet50_int8_qdq_u8s8", "resnet-like"), {"vgg16", "resnet-like"}, {"mobilenet_v2_fp16", "mobile"}, {"efficientnet_b0", "mobile"}, {"densenet121", "dense/inception"},
                                      {"swin_t", "vision transformer"}, {"bert_base_dynamo", "text encoder"}, {"t5_small_encoder", "text encoder"}, {"t5_small_decoder", "decoder"}, {"llama_135m_int4_qdq", "decoder"},
                                      {"deepseek_v3_small_loop", "decoder"}, {"tiny_random_gpt2_past", "decoder"}, {"whisper_tiny_decoder_with_past", "speech"}, {"silero_vad_16k_op15", "speech"},
                                      {"deeplabv3_mobilenet_v3_large", "detection/segmentation"}, {"ssdlite320_mobilenet_v3_large", "detection/segmentation"}, {"kws_int8", "tiny"}, {"magika_v3_3", "tiny"}, {"my_model", ""}})
    EXPECT_EQ(family_of(model), family) << model;
  EXPECT_EQ(families().size(), 9U);
}

}  // namespace
}  // namespace tenon
