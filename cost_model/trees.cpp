#include "tenon/trees.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <utility>

#include "spread.h"

namespace tenon {

float Booster::predict(std::span<const float> x, float margin) const {
  float sum = margin;
  for (int32_t at : roots) {
    const TreeNode* node = &nodes[static_cast<size_t>(at)];
    while (node->feature >= 0) {
      const float v = x[static_cast<size_t>(node->feature)];
      const bool left = std::isnan(v) ? node->missing_left : v < node->value;
      node = &nodes[static_cast<size_t>(left ? node->left : node->right)];
    }
    sum += node->value;
  }
  return sum;
}

namespace {

const Delta* delta_of(const CostModel& model, std::string_view device) {
  const auto at = device.empty() ? model.deltas.end() : std::ranges::find(model.deltas, device, &Delta::device);
  return at == model.deltas.end() ? nullptr : &*at;
}

// Mean and standard deviation of what boosters say.
Prediction ensemble(std::span<const Booster> boosters, std::span<const float> x, float margin) {
  return spread(boosters, margin, [&](const Booster& booster) { return booster.predict(x, margin); });
}

}  // namespace

Prediction predict(const CostModel& model, std::span<const float> x, double prior_seconds, std::string_view device) {
  const Prediction pooled = ensemble(model.boosters, x, static_cast<float>(std::log(prior_seconds)));
  const Delta* const delta = delta_of(model, device);
  if (!delta) return pooled;
  const Prediction own = ensemble(delta->boosters, x, static_cast<float>(pooled.mean + delta->offset));
  return {.mean = own.mean, .sigma = std::hypot(pooled.sigma, own.sigma)};
}

Interval interval(const CostModel& model, const Prediction& prediction, std::string_view device) {
  const Delta* const delta = delta_of(model, device);
  const Calibration& known = delta && delta->calibration.scale > 0 ? delta->calibration : model.calibration;
  if (!(known.scale > 0)) return {.low = 0, .high = INFINITY};
  const double reach = known.scale * std::hypot(prediction.sigma, known.floor);
  return {.low = std::exp(prediction.mean - reach), .high = std::exp(prediction.mean + reach)};
}

double failure_probability(const CostModel& model, std::span<const float> x) {
  if (model.failures.empty()) return 0;
  double sum = 0;
  for (const Booster& booster : model.failures) sum += 1 / (1 + std::exp(-static_cast<double>(booster.predict(x, static_cast<float>(model.failure_margin)))));
  return sum / static_cast<double>(model.failures.size());
}

namespace {

constexpr std::string_view kFirst = "tenon-cost-model 3";

template <class T>
std::string hex_bits(T value) {
  using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, std::bit_cast<Bits>(value), 16).ptr;
  return {text, end};
}

class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool failed() const { return failed_; }
  bool at_end() const { return rest_.empty(); }
  size_t left() const { return rest_.size(); }
  std::string_view line() {
    const size_t end = rest_.find('\n');
    if (end == rest_.npos) return failed_ = true, std::string_view();
    const std::string_view found = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return found;
  }
  // Of the next line: there until the next call.
  using Words = std::span<const std::string_view>;
  Words words() {
    words_.clear();
    std::string_view text = line();
    while (!text.empty()) {
      const size_t end = text.find(' ');
      words_.push_back(text.substr(0, end));
      text.remove_prefix(end == text.npos ? text.size() : end + 1);
    }
    return words_;
  }
  // The words behind `key`, with which the line has to begin.
  Words words(std::string_view key, size_t count) {
    const Words found = words();
    if (found.empty() || found[0] != key || found.size() != count + 1) failed_ = true, words_.assign(count + 1, {});
    return Words(words_).subspan(1);
  }
  template <class T>
  T number(std::string_view word, int base = 10) {
    T value{};
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value, base);
    if (error != std::errc() || end != word.data() + word.size()) failed_ = true;
    return value;
  }
  float real(std::string_view word) { return std::bit_cast<float>(number<uint32_t>(word, 16)); }  // by its bits
  void fail() { failed_ = true; }

 private:
  std::string_view rest_;
  std::vector<std::string_view> words_;
  bool failed_ = false;
};

// Null, or what is wrong with it. Children lie behind their parents and have one each, so that every walk ends and a tree is no larger than its nodes.
const char* fault(const Booster& booster, size_t features) {
  constexpr int kMostDepth = 64;  // walks may recurse
  const char *outside = "trees that point outside", *covers = "nodes whose covers are not positive, or not those of their children";
  // Sums in double, each rounded to float: three roundings of 2^-24.
  constexpr double kRounding = 0x1p-22;
  const auto count = static_cast<int32_t>(booster.nodes.size());
  std::vector<int> depth(booster.nodes.size(), -1);
  bool once = true;
  auto reach = [&](int32_t i, int deep) { once = once && std::exchange(depth[static_cast<size_t>(i)], deep) < 0; };
  for (const int32_t root : booster.roots) {
    if (root < 0 || root >= count) return outside;
    reach(root, 0);
  }
  for (int32_t i = 0; i < count; ++i) {
    const TreeNode& node = booster.nodes[static_cast<size_t>(i)];
    if (!std::isfinite(node.value)) return "numbers that are not finite";
    if (!std::isfinite(node.cover) || node.cover <= 0) return covers;
    if (node.feature < 0) continue;
    if (node.feature >= static_cast<int32_t>(features) || node.left <= i || node.right <= i || node.left >= count || node.right >= count) return outside;
    const int deep = depth[static_cast<size_t>(i)];
    if (deep == kMostDepth) return "trees of more than 64 levels";
    reach(node.left, deep + 1), reach(node.right, deep + 1);
    const double both = static_cast<double>(booster.nodes[static_cast<size_t>(node.left)].cover) + booster.nodes[static_cast<size_t>(node.right)].cover;
    if (std::abs(node.cover - both) > kRounding * both) return covers;
  }
  return once && std::ranges::count(depth, -1) == 0 ? nullptr : "nodes of no tree, or of two";
}

void print(const std::vector<Booster>& boosters, std::string& text) {
  for (const Booster& booster : boosters) {
    text += "booster " + std::to_string(booster.roots.size()) + ' ' + std::to_string(booster.nodes.size()) + '\n';
    for (const int32_t root : booster.roots) text += "tree " + std::to_string(root) + '\n';
    for (const TreeNode& node : booster.nodes) {
      if (node.feature < 0) text += "leaf " + hex_bits(node.value) + ' ' + hex_bits(node.cover) + '\n';
      else text += "node " + std::to_string(node.feature) + ' ' + hex_bits(node.value) + ' ' + std::to_string(node.left) + ' ' + std::to_string(node.right) + (node.missing_left ? " l " : " r ") + hex_bits(node.cover) + '\n';
    }
  }
}

std::string text_of(const Calibration& c) { return hex_bits(c.floor) + ' ' + hex_bits(c.scale) + ' ' + std::to_string(c.units); }

Booster read_booster(Reader& in) {
  constexpr size_t kMost = 1 << 24;
  Booster booster;
  const auto counts = in.words("booster", 2);
  const auto trees = in.number<size_t>(counts[0]), nodes = in.number<size_t>(counts[1]);
  if (trees > kMost || nodes > kMost) in.fail();
  else booster.nodes.reserve(std::min(nodes, in.left() / 4));  // "leaf"
  for (size_t t = 0; t < trees && !in.failed(); ++t) booster.roots.push_back(in.number<int32_t>(in.words("tree", 1)[0]));
  for (size_t n = 0; n < nodes && !in.failed(); ++n) {
    const Reader::Words words = in.words();
    TreeNode node;
    if (words.size() == 3 && words[0] == "leaf") {
      node.value = in.real(words[1]), node.cover = in.real(words[2]);
    } else if (words.size() == 7 && words[0] == "node" && (words[5] == "l" || words[5] == "r")) {
      node = {.feature = in.number<int32_t>(words[1]), .value = in.real(words[2]), .left = in.number<int32_t>(words[3]),
              .right = in.number<int32_t>(words[4]), .missing_left = words[5] == "l", .cover = in.real(words[6])};
      if (node.feature < 0) in.fail();
    } else {
      in.fail();
    }
    booster.nodes.push_back(node);
  }
  return booster;
}

void read_devices(Reader& in, CostModel& model, size_t features) {
  constexpr size_t kMost = 1 << 16;
  const auto devices = in.number<size_t>(in.words("devices", 1)[0]);
  if (devices > kMost) in.fail();
  if (devices == 0 || in.failed()) return;
  const Reader::Words which = in.words();
  if (which.size() < 3 || which[0] != "device_features" || in.number<size_t>(which[1]) != which.size() - 2) return in.fail();
  const size_t numbers = which.size() - 2;
  for (size_t k = 2; k < which.size(); ++k) {
    model.device_features.push_back(in.number<int32_t>(which[k]));
    if (model.device_features.back() < 0 || static_cast<size_t>(model.device_features.back()) >= features) in.fail();
  }
  for (size_t d = 0; d < devices && !in.failed(); ++d) {
    std::vector<float>& device = model.devices.emplace_back();
    for (const std::string_view word : in.words("device", numbers)) device.push_back(in.real(word));
  }
}

double read_real(Reader& in, std::string_view word) {
  const double value = std::bit_cast<double>(in.number<uint64_t>(word, 16));
  if (!std::isfinite(value)) in.fail();
  return value;
}

Calibration read_calibration(Reader& in, Reader::Words words) {
  Calibration c{.floor = read_real(in, words[0]), .scale = read_real(in, words[1]), .units = in.number<int64_t>(words[2])};
  if (c.floor < 0 || c.scale < 0 || c.units < 0) in.fail();
  return c;
}

// `count` of them, each walked in bounds; `wrong`: the first fault.
void read_boosters(Reader& in, size_t count, size_t features, std::vector<Booster>& boosters, std::string& wrong) {
  for (size_t b = 0; b < count && !in.failed() && wrong.empty(); ++b) {
    boosters.push_back(read_booster(in));
    const char* what = in.failed() ? nullptr : fault(boosters.back(), features);
    if (what) wrong = "booster " + std::to_string(b) + " has " + what;
  }
}

}  // namespace

std::string print(const CostModel& model) {
  std::string text = std::string(kFirst) + "\nfeatures " + model.features + ' ' + std::to_string(model.names.size()) + '\n';
  for (const std::string& name : model.names) text += "feature " + name + '\n';
  text += "provenance " + std::to_string(model.provenance.size()) + '\n';
  for (const std::string& line : model.provenance) text += line + '\n';
  text += "boosters " + std::to_string(model.boosters.size()) + '\n';
  print(model.boosters, text);
  text += "order " + std::to_string(model.order.size()) + '\n';
  print(model.order, text);
  text += "devices " + std::to_string(model.devices.size()) + '\n';
  if (!model.devices.empty()) {
    text += "device_features " + std::to_string(model.device_features.size());
    for (const int32_t f : model.device_features) text += ' ' + std::to_string(f);
    text += '\n';
  }
  for (const std::vector<float>& device : model.devices) {
    text += "device";
    for (const float value : device) text += ' ' + hex_bits(value);
    text += '\n';
  }
  text += "calibration " + text_of(model.calibration) + "\nfailures " + std::to_string(model.failures.size()) + ' ' + hex_bits(model.failure_margin) + '\n';
  print(model.failures, text);
  text += "deltas " + std::to_string(model.deltas.size()) + '\n';
  for (const Delta& delta : model.deltas) {
    text += "delta " + delta.device + ' ' + std::to_string(delta.probes) + ' ' + hex_bits(delta.offset) + ' ' + text_of(delta.calibration) + ' ' + std::to_string(delta.boosters.size()) + '\n';
    print(delta.boosters, text);
  }
  return text;
}

Result<CostModel> parse_cost_model(std::string_view text) {
  auto refused = [](const std::string& why) { return fail(Code::E0703, why, "tenon train writes such files"); };
  Reader in(text);
  if (in.line() != kFirst) return refused("it does not begin with \"" + std::string(kFirst) + "\"");
  CostModel model;
  auto words = in.words("features", 2);
  model.features = words[0];
  const auto features = in.number<size_t>(words[1]);
  for (size_t k = 0; k < features && !in.failed(); ++k) model.names.emplace_back(in.words("feature", 1)[0]);
  const auto lines = in.number<size_t>(in.words("provenance", 1)[0]);
  for (size_t k = 0; k < lines && !in.failed(); ++k) model.provenance.emplace_back(in.line());
  std::string wrong;
  read_boosters(in, in.number<size_t>(in.words("boosters", 1)[0]), features, model.boosters, wrong);
  read_boosters(in, in.number<size_t>(in.words("order", 1)[0]), order_width(features), model.order, wrong);
  if (!model.order.empty() && model.order.size() != model.boosters.size()) in.fail();
  read_devices(in, model, features);
  model.calibration = read_calibration(in, in.words("calibration", 3));
  words = in.words("failures", 2);
  model.failure_margin = read_real(in, words[1]);
  read_boosters(in, in.number<size_t>(words[0]), features, model.failures, wrong);
  const auto deltas = in.number<size_t>(in.words("deltas", 1)[0]);
  for (size_t d = 0; d < deltas && !in.failed(); ++d) {
    words = in.words("delta", 7);
    Delta& delta = model.deltas.emplace_back(Delta{.device = std::string(words[0]), .probes = in.number<int64_t>(words[1]), .offset = read_real(in, words[2]), .boosters = {}, .calibration = {}});
    delta.calibration = read_calibration(in, words.subspan(3, 3));
    read_boosters(in, in.number<size_t>(words[6]), features, delta.boosters, wrong);
  }
  if (!wrong.empty()) return refused(wrong);
  if (in.failed() || !in.at_end()) return refused("its text is cut or malformed");
  return model;
}

}  // namespace tenon
