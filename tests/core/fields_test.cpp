#include "muonflow/core/fields.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/message_of.hpp"

namespace muonflow {

enum class Colour { red, dark_blue };
template <>
struct EnumNames<Colour> {
  static constexpr std::array<std::string_view, 2> names{"red", "dark_blue"};
};

namespace {

using test::message_of;

struct Wheel {
  double radius = 0.5;
  std::int64_t spokes = 8;
  void fields(FieldVisitor& v) {
    v.real("radius", radius, kPositive, "in metres");
    v.integer("spokes", spokes, {.lo = 0, .hi = 100}, "how many");
  }
};

// One member of every kind.
struct Cart {
  double speed = 1.5;
  std::int64_t seats = 2;
  bool covered = false;
  std::string owner = "nobody";
  std::array<double, 2> betas{0.9, 0.99};
  std::vector<double> prices{1, 2};
  std::vector<std::int64_t> years{1900};
  std::vector<std::string> tags{"old"};
  std::optional<double> limit;
  std::optional<std::int64_t> number = 7;
  Colour colour = Colour::red;
  Json extras = Json::object();
  Wheel spare;
  std::vector<Wheel> wheels;
  void fields(FieldVisitor& v) {
    v.real("speed", speed, kNonNegative, "metres a second");
    v.integer("seats", seats, {.lo = 1}, "people");
    v.boolean("covered", covered, "against rain");
    v.text("owner", owner, "a name");
    v.reals("betas", betas, kUnitBelowOne, "two weights");
    v.real_list("prices", prices, kNonNegative, "in coins");
    v.integer_list("years", years, {}, "of repair");
    v.text_list("tags", tags, "free words");
    v.optional_real("limit", limit, kPositive, "of load");
    v.optional_integer("number", number, kNonNegative, "of the plate");
    v.choice("colour", colour, "of the paint");
    v.tree("extras", extras, "read by others");
    v.group("spare", spare, "the fifth wheel");
    v.list("wheels", wheels, "those on the ground");
  }
};

Cart read_cart(const std::string& json) {
  Cart cart;
  read(Json::parse(json), cart);
  return cart;
}

std::string complaint(const std::string& json) {
  return message_of<ConfigError>([&] { (void)read_cart(json); });
}

TEST(Fields, AbsentKeysKeepTheirDefaults) {
  const auto cart = read_cart("{}");
  EXPECT_EQ(cart.speed, 1.5);
  EXPECT_EQ(cart.number, 7);
  EXPECT_TRUE(cart.wheels.empty());
}

TEST(Fields, EveryKindIsRead) {
  const auto cart = read_cart(R"({"speed": 3, "seats": 4.0, "covered": true, "owner": "Ann",
    "betas": [0.5, 0], "prices": [], "years": [-3, 1e3], "tags": ["a", "b"], "limit": 2.5,
    "number": "off", "colour": "dark_blue", "extras": {"bell": {"loud": true}},
    "spare": {"radius": 1}, "wheels": [{}, {"spokes": 12}]})");
  EXPECT_EQ(cart.speed, 3);
  EXPECT_EQ(cart.seats, 4);
  EXPECT_TRUE(cart.covered);
  EXPECT_EQ(cart.owner, "Ann");
  EXPECT_EQ(cart.betas, (std::array<double, 2>{0.5, 0}));
  EXPECT_TRUE(cart.prices.empty());
  EXPECT_EQ(cart.years, (std::vector<std::int64_t>{-3, 1000}));
  EXPECT_EQ(cart.tags, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(cart.limit, 2.5);
  EXPECT_EQ(cart.number, std::nullopt);
  EXPECT_EQ(cart.colour, Colour::dark_blue);
  EXPECT_TRUE(cart.extras["bell"]["loud"].get<bool>());
  EXPECT_EQ(cart.spare.radius, 1);
  EXPECT_EQ(cart.spare.spokes, 8);
  ASSERT_EQ(cart.wheels.size(), 2u);
  EXPECT_EQ(cart.wheels[0].spokes, 8);
  EXPECT_EQ(cart.wheels[1].spokes, 12);
}

TEST(Fields, OffIsAlsoNull) {
  EXPECT_EQ(read_cart(R"({"number": null, "limit": null})").number, std::nullopt);
  EXPECT_EQ(read_cart(R"({"limit": "off"})").limit, std::nullopt);
}

TEST(Fields, WrongTypesNameWhatWasExpected) {
  EXPECT_EQ(complaint(R"({"speed": "fast"})"),
            R"(speed: expected a number in [0, inf), found "fast")");
  EXPECT_EQ(complaint(R"({"seats": true})"),
            "seats: expected a whole number in [1, inf), found true");
  EXPECT_EQ(complaint(R"({"seats": 2.5})"),
            "seats: expected a whole number in [1, inf), found 2.5");
  EXPECT_EQ(complaint(R"({"covered": 1})"), "covered: expected true or false, found 1");
  EXPECT_EQ(complaint(R"({"owner": 1})"), "owner: expected a text, found 1");
  EXPECT_EQ(complaint(R"({"betas": 0.9})"), "betas: expected a list of 2 numbers, found 0.9");
  EXPECT_EQ(complaint(R"({"betas": [0.9]})"), "betas: expected a list of 2 numbers, found [0.9]");
  EXPECT_EQ(complaint(R"({"prices": 1})"), "prices: expected a list of numbers, found 1");
  EXPECT_EQ(complaint(R"({"years": 1})"), "years: expected a list of whole numbers, found 1");
  EXPECT_EQ(complaint(R"({"years": [1.5]})"), "years: expected a whole number, found 1.5");
  EXPECT_EQ(complaint(R"({"tags": "a"})"), R"(tags: expected a list of texts, found "a")");
  EXPECT_EQ(complaint(R"({"tags": ["a", 1]})"), R"(tags: expected a list of texts, found ["a",1])");
  EXPECT_EQ(complaint(R"({"limit": "none"})"),
            R"(limit: expected a number in (0, inf), found "none")");
  EXPECT_EQ(complaint(R"({"number": []})"),
            "number: expected a whole number in [0, inf), found []");
  EXPECT_EQ(complaint(R"({"extras": 1})"), "extras: expected a table of options, found 1");
  EXPECT_EQ(complaint(R"({"spare": 1})"), "spare: expected a table of options, found 1");
  EXPECT_EQ(complaint(R"({"wheels": {}})"), "wheels: expected a list of tables, found {}");
  EXPECT_EQ(complaint(R"({"wheels": [1]})"), "wheels[0]: expected a table of options, found 1");
  EXPECT_EQ(complaint("[]"), "expected a table of options, found []");
}

TEST(Fields, ValuesOutOfRangeNameTheRange) {
  EXPECT_EQ(complaint(R"({"speed": -1})"), "speed: expected a number in [0, inf), found -1");
  EXPECT_EQ(complaint(R"({"betas": [0.9, 1]})"), "betas: expected a number in [0, 1), found 1");
  EXPECT_EQ(complaint(R"({"limit": 0})"), "limit: expected a number in (0, inf), found 0");
  EXPECT_EQ(complaint(R"({"seats": 0})"), "seats: expected a whole number in [1, inf), found 0");
  EXPECT_EQ(complaint(R"({"prices": [1, -2]})"), "prices: expected a number in [0, inf), found -2");
  EXPECT_EQ(complaint(R"({"wheels": [{}, {"spokes": 101}]})"),
            "wheels[1].spokes: expected a whole number in [0, 100], found 101");
  EXPECT_EQ(complaint(R"({"years": [9223372036854775808]})"),
            "years: expected a whole number, found 9223372036854775808");
  EXPECT_EQ(complaint(R"({"years": [1e300]})"), "years: expected a whole number, found 1e+300");
}

TEST(Fields, NonFiniteNumbersAreRefusedByName) {
  Json json;
  json["speed"] = std::numeric_limits<double>::infinity();
  Cart cart;
  EXPECT_EQ(message_of<ConfigError>([&] { read(json, cart); }),
            "speed: expected a number in [0, inf), found inf");
  json["speed"] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(message_of<ConfigError>([&] { read(json, cart); }),
            "speed: expected a number in [0, inf), found nan");
}

TEST(Fields, UnknownChoicesListTheKnownOnes) {
  EXPECT_EQ(complaint(R"({"colour": "blue"})"),
            R"(colour: expected one of red, dark_blue, found "blue")");
  EXPECT_EQ(complaint(R"({"colour": 1})"), "colour: expected one of red, dark_blue, found 1");
}

TEST(Fields, UnknownKeysNameTheNearest) {
  EXPECT_EQ(complaint(R"({"sped": 1})"), "sped: unknown option 'sped' (did you mean 'speed'?)");
  EXPECT_EQ(complaint(R"({"spare": {"spoke": 1}})"),
            "spare.spoke: unknown option 'spoke' (did you mean 'spokes'?)");
  EXPECT_EQ(complaint(R"({"spare": {"xyzzy": 1}})"),
            "spare.xyzzy: unknown option 'xyzzy': expected one of radius, spokes");
}

TEST(Fields, LongValuesAreCut) {
  EXPECT_LT(complaint(R"({"speed": ")" + std::string(1000, 'x') + R"("})").size(), 120u);
}

TEST(Fields, PlacesComeFromTheCaller) {
  Cart cart;
  const PlaceOf place = [](const std::string& path) { return "run.toml:12: " + path; };
  EXPECT_EQ(message_of<ConfigError>([&] {
              read(Json::parse(R"({"wheels": [{"radius": 0}]})"), cart, place, "vehicle");
            }),
            "run.toml:12: vehicle.wheels[0].radius: expected a number in (0, inf), found 0");
}

TEST(Fields, LargeWholeNumbersAreExact) {
  EXPECT_EQ(read_cart(R"({"years": [9223372036854775807, -9223372036854775808]})").years,
            (std::vector<std::int64_t>{INT64_MAX, INT64_MIN}));
}

TEST(Fields, WhatIsWrittenReadsBack) {
  Cart cart;
  cart.speed = 0.1;
  cart.limit = 1.0 / 3;
  cart.number.reset();
  cart.colour = Colour::dark_blue;
  cart.extras["bell"] = 1;
  cart.wheels.resize(2);
  cart.wheels[1].radius = 2;
  const Json written = to_json(cart);
  Cart back;
  read(written, back);
  EXPECT_EQ(to_json(back), written);
  EXPECT_EQ(back.limit, cart.limit);
  EXPECT_EQ(written["number"], "off");
  EXPECT_EQ(written["wheels"][1]["radius"], 2.0);
}

TEST(Fields, AreWrittenInTheirOrder) {
  std::vector<std::string> keys;
  const Json written = to_json(Cart{});
  for (const auto& [key, value] : written.items()) keys.push_back(key);
  EXPECT_EQ(keys, (std::vector<std::string>{"speed", "seats", "covered", "owner", "betas", "prices",
                                            "years", "tags", "limit", "number", "colour", "extras",
                                            "spare", "wheels"}));
}

TEST(Fields, AreDescribedOneByOne) {
  const auto all = describe<Cart>();
  const auto find = [&](const std::string& name) {
    for (const auto& info : all) {
      if (info.name == name) return info;
    }
    ADD_FAILURE() << "no description of " << name;
    return FieldInfo{};
  };
  EXPECT_EQ(find("speed").type, "real");
  EXPECT_EQ(find("speed").default_value, "1.5");
  EXPECT_EQ(find("speed").range, "[0, inf)");
  EXPECT_EQ(find("speed").doc, "metres a second");
  EXPECT_EQ(find("seats").type, "integer");
  EXPECT_EQ(find("covered").default_value, "false");
  EXPECT_EQ(find("owner").default_value, "\"nobody\"");
  EXPECT_EQ(find("betas").default_value, "[0.9, 0.99]");
  EXPECT_EQ(find("prices").type, "reals");
  EXPECT_EQ(find("years").type, "integers");
  EXPECT_EQ(find("years").range, "");
  EXPECT_EQ(find("tags").type, "texts");
  EXPECT_EQ(find("limit").default_value, "off");
  EXPECT_EQ(find("number").default_value, "7");
  EXPECT_EQ(find("colour").type, "choice");
  EXPECT_EQ(find("colour").default_value, "red");
  EXPECT_EQ(find("colour").range, "one of red, dark_blue");
  EXPECT_EQ(find("extras").type, "tree");
  EXPECT_EQ(find("spare.radius").range, "(0, inf)");
  EXPECT_EQ(find("wheels").type, "list");
  EXPECT_EQ(find("wheels[].spokes").range, "[0, 100]");
  EXPECT_EQ(all.size(), 17u);
}

TEST(Range, ContainsItsClosedEndsOnly) {
  EXPECT_TRUE(kUnit.contains(0));
  EXPECT_TRUE(kUnit.contains(1));
  EXPECT_FALSE(kUnitBelowOne.contains(1));
  EXPECT_FALSE(kPositive.contains(0));
  EXPECT_TRUE(kNonNegative.contains(0));
  EXPECT_FALSE(kNonNegative.contains(std::numeric_limits<double>::quiet_NaN()));
  EXPECT_EQ(to_string(Range{}), "");
  EXPECT_EQ(to_string(Range{.hi = 3}), "(-inf, 3]");
  EXPECT_EQ(to_string(Range{.lo = 1, .hi = 3, .lo_open = true}), "(1, 3]");
}

TEST(EnumName, IsTheNameInTheList) {
  EXPECT_EQ(enum_name(Colour::red), "red");
  EXPECT_EQ(enum_name(Colour::dark_blue), "dark_blue");
}

}  // namespace
}  // namespace muonflow
