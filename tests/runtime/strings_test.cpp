#include "runtime/base/strings.h"

#include <gtest/gtest.h>

#include <limits>

namespace sardonyx {
namespace {

// A host may set any global locale, for instance one that groups digits by points and has a decimal comma.
struct Grouping : std::numpunct<char> {
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
  char do_decimal_point() const override { return ','; }
};
class ForeignLocale {
 public:
  ForeignLocale() : before_(std::locale::global(std::locale(std::locale::classic(), new Grouping))) {}
  ~ForeignLocale() { std::locale::global(before_); }

 private:
  std::locale before_;
};

TEST(Strings, PutTogetherWhatTheyAreGiven) {
  EXPECT_EQ(str("dim ", 3, " of ", std::string("x"), ' ', true, ' ', int8_t{65}), "dim 3 of x true 65");
  EXPECT_EQ(str(std::vector<std::vector<int>>{{1, 2}, {}, {3}}), "[[1,2],[],[3]]");
  EXPECT_EQ(join(std::vector<int>{1, 2, 3}, ", "), "1, 2, 3");
  EXPECT_EQ(join(std::vector<int>{}, ", "), "");
}

TEST(Strings, KnowNoLocale) {
  const ForeignLocale foreign;
  std::ostringstream theirs;
  theirs << 1234567 << ' ' << 0.5;
  ASSERT_EQ(theirs.str(), "1.234.567 0,5");
  EXPECT_EQ(str(1234567, ' ', -9876543210, ' ', 0.5, ' ', 12345.5f), "1234567 -9876543210 0.5 12345.5");
  EXPECT_EQ(join(std::vector<int64_t>{1000, 2000}, ","), "1000,2000");
  EXPECT_EQ(str(std::vector<int64_t>{1000, 2000}), "[1000,2000]");
  EXPECT_EQ(decimal(1234.5, 9), "1234.5");
  EXPECT_EQ(to_double("1234.5"), 1234.5);
}

TEST(Strings, DecimalsComeBack) {
  for (const double value : {0.0, -0.0, 1.0, 0.1, 1.0 / 3, 1e-300, 123456789012345678.0, -2.5e10,
                             std::numeric_limits<double>::max(), std::numeric_limits<double>::denorm_min()})
    EXPECT_EQ(to_double(decimal(value, 17)), value);
  EXPECT_EQ(decimal(0.1, 9), "0.1");
  EXPECT_EQ(decimal(1e20, 9), "1e+20");
  EXPECT_EQ(to_double(""), 0);
  EXPECT_EQ(to_double("x"), 0);
}

}  // namespace
}  // namespace sardonyx
