// The report in a real browser: nothing blank, nothing cut off, nothing asked from outside; light,
// dark, narrow and on paper.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "muonflow/core/file.hpp"
#include "muonflow/record/run_folder.hpp"
#include "muonflow/report/html.hpp"
#include "tests/browser/chromium.hpp"
#include "tests/browser/png.hpp"
#include "tests/report/page_check.hpp"
#include "tests/report/synthetic_runs.hpp"
#include "tests/support/temporary_folder.hpp"

namespace muonflow::report {
namespace {

using test::embedded_json;
using test::Image;
using test::View;

// Hears of errors and refused requests from the first script on.
constexpr std::string_view kListener =
    "<script>window.probeErrors=[];"
    "addEventListener('error',(e)=>probeErrors.push(String(e.message)));"
    "addEventListener('securitypolicyviolation',(e)=>probeErrors.push(e.violatedDirective+' '+"
    "e.blockedURI));</script>\n";

std::string with_probe(std::string page) {
  page.insert(page.find("<title>"), kListener);
  const auto probe = read_text_file(std::string(MUONFLOW_TEST_DATA) + "/browser/probe.js");
  page.insert(page.rfind("</body>"), "<script>\n" + probe + "</script>\n");
  return page;
}

std::array<int, 3> parse_colour(const std::string& hex) {
  const auto channel = [&](std::size_t at) { return std::stoi(hex.substr(at, 2), nullptr, 16); };
  return {channel(1), channel(3), channel(5)};
}

// WCAG 2.1: relative luminance and contrast ratio.
double luminance(const std::array<int, 3>& colour) {
  const auto linear = [](int channel) {
    const double c = channel / 255.0;
    return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
  };
  return 0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2]);
}

double contrast(const Json& colours, const std::string& a, const std::string& b) {
  double x = luminance(parse_colour(colours[a])), y = luminance(parse_colour(colours[b]));
  if (x < y) std::swap(x, y);
  return (x + 0.05) / (y + 0.05);
}

// Pixels of about this colour in a rectangle.
int count_near(const Image& image, const Json& box, const std::array<int, 3>& colour) {
  const auto start = [&](const char* key) {
    return static_cast<std::size_t>(box[key].get<double>());
  };
  int count = 0;
  for (auto y = start("top"); y < start("top") + start("height") && y < image.height; ++y) {
    for (auto x = start("left"); x < start("left") + start("width") && x < image.width; ++x) {
      const auto pixel = image.at(x, y);
      int distance = 0;
      for (std::size_t c = 0; c < 3; ++c) distance += std::abs(pixel[c] - colour[c]);
      count += distance < 24 ? 1 : 0;
    }
  }
  return count;
}

class ReportPage : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    chromium_ = test::find_chromium();
    if (!chromium_) return;
    folder_ = new test::TemporaryFolder;
    test::write_training_run(*folder_ / "muon");
    test::write_training_run(*folder_ / "adamw",
                             {.rule = "adamw", .lr = 0.003, .floor = 1.6, .seed = 2});
    test::write_training_run(*folder_ / "a-run-with-quite-a-long-name-for-a-narrow-screen",
                             {.rule = "sgd", .lr = 0.1, .floor = 1.8, .seed = 3});
    test::write_flow_run(*folder_ / "flow");
    std::vector<record::RunReader> readers;
    for (const char* name :
         {"muon", "adamw", "a-run-with-quite-a-long-name-for-a-narrow-screen", "flow"}) {
      readers.push_back(record::RunReader::open(*folder_ / name));
    }
    const auto page = render(readers);
    write_file(*folder_ / "page.html", page);
    write_file(*folder_ / "probed.html", with_probe(page));
  }
  static void TearDownTestSuite() { delete folder_; }

  void SetUp() override {
    if (!chromium_) {
      GTEST_SKIP() << "no chromium on PATH (on Debian: apt-get install chromium)";
    }
  }

  static Json probe(const View& view) {
    const auto page = test::dump_dom(*chromium_, *folder_ / "probed.html", view);
    return embedded_json(page, "probe");
  }

  // No window is narrower than about 500 pixels; a frame inside one is, and has its own width.
  static Json probe_narrow(int width) {
    const auto frame = "<!DOCTYPE html><html><body><iframe src=\"probed.html\" width=\"" +
                       std::to_string(width) +
                       "\" height=\"740\" style=\"border:0\"></iframe>"
                       "<script type=\"application/json\" id=\"probe\"></script>"
                       "<script>addEventListener('message', (e) => {"
                       "document.getElementById('probe').textContent = e.data; });</script>"
                       "</body></html>";
    write_file(*folder_ / "frame.html", frame);
    return embedded_json(test::dump_dom(*chromium_, *folder_ / "frame.html", {}), "probe");
  }

  static void expect_whole(const Json& found, const View& view) {
    EXPECT_EQ(found["ready"], "yes");
    EXPECT_EQ(found["errors"], Json::array());
    EXPECT_EQ(found["resources"], Json::array());
    EXPECT_EQ(found["outside"], Json::array());
    EXPECT_EQ(found["overflowing"], Json::array());
    EXPECT_EQ(found["inner_width"], view.width);
    EXPECT_LE(found["scroll_width"].get<int>(), found["client_width"].get<int>());
    EXPECT_EQ(found["dark"], view.dark);
    EXPECT_GE(found["smallest_text"].get<double>(), 9);
    ASSERT_EQ(found["canvases"].size(), 4U + 1U + 1U + 5U);
    for (const auto& canvas : found["canvases"]) {
      EXPECT_GE(canvas["width"].get<double>(), 0.7 * std::min(view.width, 360)) << canvas;
      EXPECT_GE(canvas["height"].get<double>(), 200) << canvas;
      EXPECT_LE(canvas["left"].get<double>() + canvas["width"].get<double>(), view.width) << canvas;
      EXPECT_GE(canvas["ink"].get<double>(), 0.02) << canvas;  // grid, labels and lines
      EXPECT_GE(canvas["colours"].get<int>(), 8) << canvas;
      EXPECT_FALSE(canvas["label"].get<std::string>().empty());
    }
  }

  static void expect_readable(const Json& colours) {
    EXPECT_GE(contrast(colours, "ink", "ground"), 7);
    EXPECT_GE(contrast(colours, "ink", "panel"), 7);
    EXPECT_GE(contrast(colours, "muted", "ground"), 4.5);
    EXPECT_GE(contrast(colours, "warn", "ground"), 4.5);
    for (int i = 0; i < 8; ++i) {
      EXPECT_GE(contrast(colours, "series-" + std::to_string(i), "ground"), 3) << i;
    }
  }

  static inline std::optional<std::string> chromium_;
  static inline test::TemporaryFolder* folder_ = nullptr;
};

TEST_F(ReportPage, OnAWideLightScreen) {
  const View view{.width = 1200, .height = 900};
  const auto found = probe(view);
  expect_whole(found, view);
  expect_readable(found["colours"]);
  EXPECT_EQ(found["background"], "rgb(255, 255, 255)");
  // Singular values by colour: many of them.
  for (const auto& canvas : found["canvases"]) {
    if (canvas["id"].get<std::string>().find("spectra") == std::string::npos) continue;
    EXPECT_GE(canvas["colours"].get<int>(), 60);
    EXPECT_GE(canvas["ink"].get<double>(), 0.4);
  }
}

TEST_F(ReportPage, OnADarkScreen) {
  const View view{.width = 1000, .height = 900, .dark = true};
  const auto found = probe(view);
  expect_whole(found, view);
  expect_readable(found["colours"]);
  EXPECT_LT(luminance(parse_colour(found["colours"]["ground"])), 0.02);
  // Paper stays white, and the screen is dark again afterwards.
  EXPECT_EQ(found["printing"]["during"]["ground"], "#ffffff");
  EXPECT_EQ(found["printing"]["during"]["blank"], Json::array());
  EXPECT_EQ(found["printing"]["after"], found["colours"]["ground"]);
}

TEST_F(ReportPage, OnANarrowScreen) {
  const View view{.width = 360, .height = 740};
  expect_whole(probe_narrow(view.width), view);
}

TEST_F(ReportPage, ControlsDoWhatTheySay) {
  const auto found = probe({});
  const auto& did = found["interactions"];
  EXPECT_EQ(did["start"]["axis"], "step");
  EXPECT_EQ(did["start"]["x_max"], 300);
  EXPECT_EQ(did["axis-tokens"]["axis"], "training tokens");
  EXPECT_EQ(did["axis-tokens"]["x_max"], 300 * 2048);
  EXPECT_EQ(did["axis-seconds"]["axis"], "time in training steps (s)");
  EXPECT_GT(did["range-whole"]["top"].get<double>(), did["start"]["top"].get<double>());
  EXPECT_EQ(did["start"]["hidden"], 0);
  EXPECT_EQ(did["hidden"]["hidden"], 3);  // raw values, running mean, validation of one run
  EXPECT_EQ(did["hidden"]["pressed"], "false");
  EXPECT_EQ(did["end"], did["start"]);
  const auto readout = found["heatmap"].get<std::string>();
  EXPECT_NE(readout.find("singular value"), std::string::npos) << readout;
  EXPECT_NE(readout.find("time "), std::string::npos) << readout;
}

TEST_F(ReportPage, PixelsShowEveryRun) {
  for (const bool dark : {false, true}) {
    const View view{.width = 1200, .height = 900, .dark = dark};
    const auto found = probe(view);
    const auto& loss = found["canvases"][0];
    ASSERT_EQ(loss["id"], "training-loss");
    View tall = view;
    tall.height = static_cast<int>(loss["top"].get<double>() + loss["height"].get<double>()) + 10;
    test::screenshot(*chromium_, *folder_ / "page.html", tall, *folder_ / "page.png");
    const auto image = test::read_png(*folder_ / "page.png");
    ASSERT_EQ(image.width, 1200U);
    EXPECT_EQ(image.at(2, 2), parse_colour(found["colours"]["ground"]));
    for (int run = 0; run < 3; ++run) {
      const auto colour = parse_colour(found["colours"]["series-" + std::to_string(run)]);
      // A line of two pixels across a chart of about a thousand.
      EXPECT_GE(count_near(image, loss, colour), 1000) << run;
    }
  }
}

// The checks above pass because there is nothing to find, not because they look away.
TEST_F(ReportPage, ProbeSeesTrouble) {
  auto page = read_text_file(*folder_ / "probed.html");
  page.insert(page.find("</main>"),
              "<img src=\"https://example.invalid/a.png\" alt=\"\">"
              "<div style=\"width:3000px\">wide</div>"
              "<script>throw new Error('deliberate');</script>");
  write_file(*folder_ / "trouble.html", page);
  const auto found =
      embedded_json(test::dump_dom(*chromium_, *folder_ / "trouble.html", {}), "probe");
  const auto errors = found["errors"].dump();
  EXPECT_NE(errors.find("deliberate"), std::string::npos) << errors;
  EXPECT_NE(errors.find("img-src https://example.invalid"), std::string::npos) << errors;
  EXPECT_EQ(found["outside"].size(), 1U);
  EXPECT_FALSE(found["overflowing"].empty());
  EXPECT_GT(found["scroll_width"].get<int>(), found["client_width"].get<int>());
}

TEST_F(ReportPage, Prints) {
  test::print_to_pdf(*chromium_, *folder_ / "page.html", *folder_ / "page.pdf");
  const auto pdf = read_text_file(*folder_ / "page.pdf");
  EXPECT_EQ(pdf.substr(0, 5), "%PDF-");
  // Ten charts as pictures at twice the screen's resolution do not fit into less.
  EXPECT_GT(pdf.size(), 100'000U);
}

TEST_F(ReportPage, OpensWithoutAnyNumbers) {
  { record::RunFolder::create(*folder_ / "empty", Json{{"kind", "train"}}, ""); }
  const std::vector<record::RunReader> readers{record::RunReader::open(*folder_ / "empty")};
  write_file(*folder_ / "empty.html", with_probe(render(readers)));
  const auto found =
      embedded_json(test::dump_dom(*chromium_, *folder_ / "empty.html", {}), "probe");
  EXPECT_EQ(found["ready"], "yes");
  EXPECT_EQ(found["errors"], Json::array());
  EXPECT_EQ(found["canvases"], Json::array());
}

}  // namespace
}  // namespace muonflow::report
