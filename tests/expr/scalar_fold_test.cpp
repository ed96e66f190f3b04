// Constant folding: every operation's corner cases, and every value of the narrow floats.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "tenon/expr.h"
#include "tenon/narrow_float.h"

namespace tenon {
namespace {

class Fold : public ::testing::Test {
 protected:
  ExprPool p;
  int64_t integer(SOp op, DType type, int64_t a, int64_t b) {
    return *p.as_int(p.make(op, type, std::array{p.constant_int(type, a), p.constant_int(type, b)}));
  }
  double real(SOp op, double a, double b) {
    return *p.as_double(
        p.make(op, DType::F64, std::array{p.constant(DType::F64, a), p.constant(DType::F64, b)}));
  }
  int64_t to_int(SOp op, DType to, double a) {
    return *p.as_int(p.make(op, to, std::array{p.constant(DType::F64, a)}));
  }
};

TEST_F(Fold, IntegersWrapAround) {
  EXPECT_EQ(integer(SOp::Add, DType::I8, 127, 1), -128);
  EXPECT_EQ(integer(SOp::Sub, DType::U8, 0, 1), 255);
  EXPECT_EQ(integer(SOp::Mul, DType::I64, INT64_MAX, 2), -2);
  EXPECT_EQ(integer(SOp::Shl, DType::U8, 1, 8), 0);
  EXPECT_EQ(integer(SOp::Shr, DType::I8, -128, 9), -1);
}

TEST_F(Fold, DivisionsNeverTrap) {
  for (SOp op : {SOp::Div, SOp::Rem, SOp::FloorDiv, SOp::Mod})
    for (DType type : {DType::I32, DType::I64, DType::U64}) EXPECT_EQ(integer(op, type, 5, 0), 0);
  EXPECT_EQ(integer(SOp::Div, DType::I64, INT64_MIN, -1), INT64_MIN);
  EXPECT_EQ(integer(SOp::Rem, DType::I64, INT64_MIN, -1), 0);
  EXPECT_EQ(integer(SOp::Div, DType::I32, -7, 2), -3);
  EXPECT_EQ(integer(SOp::FloorDiv, DType::I32, -7, 2), -4);
  EXPECT_EQ(integer(SOp::Rem, DType::I32, -7, 2), -1);
  EXPECT_EQ(integer(SOp::Mod, DType::I32, -7, 2), 1);
  EXPECT_EQ(integer(SOp::Mod, DType::I32, 7, -2), -1);
  EXPECT_EQ(integer(SOp::Div, DType::U64, -1, 2), INT64_MAX);
}

TEST_F(Fold, NanAndSignsOfFloats) {
  EXPECT_TRUE(std::isnan(real(SOp::Max, 1, NAN)));
  EXPECT_TRUE(std::isnan(real(SOp::Min, NAN, 1)));
  EXPECT_EQ(real(SOp::Mod, -7.5, 2), 0.5);
  EXPECT_EQ(real(SOp::Rem, -7.5, 2), -1.5);
  EXPECT_EQ(*p.as_double(p.unary(SOp::Round, p.constant(DType::F32, 2.5))), 2);
  EXPECT_EQ(*p.as_double(p.unary(SOp::Sign, p.constant(DType::F32, -0.1))), -1);
}

TEST_F(Fold, ConversionsToIntegers) {
  EXPECT_EQ(to_int(SOp::Cast, DType::I8, -1.9), -1);
  EXPECT_EQ(to_int(SOp::Cast, DType::U8, 256.5), 0);
  EXPECT_EQ(to_int(SOp::Cast, DType::Bool, 0.25), 1);
  EXPECT_EQ(to_int(SOp::CastSat, DType::I8, 2.5), 2);
  EXPECT_EQ(to_int(SOp::CastSat, DType::I8, 1e30), 127);
  EXPECT_EQ(to_int(SOp::CastSat, DType::U8, -3), 0);
  EXPECT_EQ(to_int(SOp::CastSat, DType::I64, 1e30), INT64_MAX);
  EXPECT_EQ(to_int(SOp::CastSat, DType::U8, NAN), 0);
}

constexpr DType kNarrow[] = {DType::F16,    DType::BF16,       DType::F8E4M3FN, DType::F8E4M3FNUZ,
                             DType::F8E5M2, DType::F8E5M2FNUZ, DType::F4E2M1,   DType::F8E8M0};

TEST(NarrowFloat, EveryValueSurvives) {
  for (DType type : kNarrow)
    for (uint64_t raw = 0; raw < uint64_t{1} << bits(type); ++raw) {
      double value = float_value(type, raw);
      if (std::isnan(value))
        EXPECT_TRUE(std::isnan(float_value(type, float_bits(type, value))));
      else
        EXPECT_EQ(float_bits(type, value), raw) << spelling(type);
    }
}

// Between two neighbours the nearer wins, and half way the one with an even last bit.
TEST(NarrowFloat, RoundsHalfToEven) {
  for (DType type : kNarrow)
    for (uint64_t raw = 0; type != DType::F8E8M0 && raw + 1 < uint64_t{1} << (bits(type) - 1); ++raw) {
      double low = float_value(type, raw), high = float_value(type, raw + 1);
      if (!std::isfinite(low) || !std::isfinite(high)) continue;
      double middle = low + (high - low) / 2;
      EXPECT_EQ(float_bits(type, std::nextafter(middle, low)), raw) << spelling(type);
      EXPECT_EQ(float_bits(type, std::nextafter(middle, high)), raw + 1) << spelling(type);
      EXPECT_EQ(float_bits(type, middle), raw % 2 == 0 ? raw : raw + 1) << spelling(type) << " " << low;
    }
}

TEST(NarrowFloat, PowersOfTwoRoundUp) {
  for (uint64_t raw = 1; raw < 254; ++raw) {
    double value = float_value(DType::F8E8M0, raw);
    EXPECT_EQ(float_bits(DType::F8E8M0, std::nextafter(value, 2 * value)), raw + 1);
    EXPECT_EQ(float_bits(DType::F8E8M0, -value), raw);
  }
  EXPECT_EQ(float_bits(DType::F8E8M0, 0), 0u);
  EXPECT_EQ(float_bits(DType::F8E8M0, 1e-300), 0u);
  EXPECT_EQ(float_bits(DType::F8E8M0, 0x1.8p127, true), 254u);
  EXPECT_EQ(float_bits(DType::F8E8M0, INFINITY, true), 255u);
}

// The tables of the ONNX specification for Cast to 8-bit floats.
TEST(NarrowFloat, OverflowByTypeAndSaturation) {
  struct Row {
    DType type;
    double largest;
    bool has_infinity;
  };
  for (Row row : {Row{DType::F8E4M3FN, 448, false},
                  {DType::F8E4M3FNUZ, 240, false},
                  {DType::F8E5M2, 57344, true},
                  {DType::F8E5M2FNUZ, 57344, false}}) {
    EXPECT_EQ(round_to(row.type, row.largest), row.largest);
    for (double big : {1e6, static_cast<double>(INFINITY)}) {
      EXPECT_EQ(round_to(row.type, big, true), row.largest) << spelling(row.type);
      EXPECT_EQ(round_to(row.type, -big, true), -row.largest) << spelling(row.type);
      double plain = round_to(row.type, big);
      EXPECT_TRUE(row.has_infinity ? plain == INFINITY : std::isnan(plain)) << spelling(row.type);
    }
    EXPECT_TRUE(std::isnan(round_to(row.type, NAN, true)));
  }
  EXPECT_EQ(round_to(DType::F4E2M1, 100), 6);
  EXPECT_EQ(round_to(DType::F4E2M1, -100), -6);
  EXPECT_EQ(round_to(DType::F16, 65520), INFINITY);
}

}  // namespace
}  // namespace tenon
