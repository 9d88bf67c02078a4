#include "muonflow/report/mathematics.hpp"

#include <gtest/gtest.h>

namespace muonflow::report {
namespace {

TEST(Mathematics, SymbolsAndSigns) {
  EXPECT_EQ(mathematics("gamma - Re sqrt(gamma^2 - 4 gamma lambda/epsilon)"),
            "γ − Re √(γ^2 − 4 γ λ/ε)");
  EXPECT_EQ(mathematics("E' <= 0, <M, grad Phi(M)> >= 0"), "E′ ≤ 0, <M, ∇Φ(M)> ≥ 0");
  EXPECT_EQ(mathematics("-gamma m n N t"), "−γ m n N t");
  EXPECT_EQ(mathematics("slope -0.478"), "slope −0.478");
}

TEST(Mathematics, WordsAndNamesStayWords) {
  for (const char* text :
       {"log-log", "G's singular vectors", "the differences'", "flow-epsilon", "tanh_ridge",
        "two_layer", "epsilon_max", "gradient dominance", "round-off", "epsilons", "first-order"}) {
    EXPECT_EQ(mathematics(text), text);
  }
  EXPECT_EQ(mathematics_html("tanh_ridge and two_layer"), "tanh_ridge and two_layer");
}

TEST(Mathematics, ScriptsAndPowersOfTen) {
  EXPECT_EQ(mathematics_html("N^{-1/2}"), "N<sup>−1/2</sup>");
  EXPECT_EQ(mathematics_html("h^4/epsilon^3"), "h<sup>4</sup>/ε<sup>3</sup>");
  EXPECT_EQ(mathematics_html("||G||_*"), "‖G‖<sub>*</sub>");
  EXPECT_EQ(mathematics_html("DF DF^*"), "DF DF<sup>*</sup>");
  EXPECT_EQ(mathematics_html("sup_t |X_i - copy_i|^2"),
            "sup<sub>t</sub> |X<sub>i</sub> − copy<sub>i</sub>|<sup>2</sup>");
  EXPECT_EQ(mathematics_html("E_0 - E_epsilon"), "E<sub>0</sub> − E<sub>ε</sub>");
  EXPECT_EQ(mathematics_html("||P||_* - Phi_epsilon(P)"), "‖P‖<sub>*</sub> − Φ<sub>ε</sub>(P)");
  EXPECT_EQ(mathematics_html("W_1(mu_t, nu_t)"), "W<sub>1</sub>(μ<sub>t</sub>, ν<sub>t</sub>)");
  EXPECT_EQ(mathematics_html("<= 1e-09"), "≤ 10<sup>−9</sup>");
  EXPECT_EQ(mathematics_html("6.25e-07"), "6.25\u00A0×\u00A010<sup>−7</sup>");
}

TEST(Mathematics, HostileTextStaysText) {
  EXPECT_EQ(mathematics_html("<b>_i & \"x\""), "&lt;b&gt;_i &amp; &quot;x&quot;");
  EXPECT_EQ(mathematics_html("a^{<i>"), "a^{&lt;i&gt;");
  EXPECT_EQ(mathematics_html("x_{<b>}"), "x<sub>&lt;b&gt;</sub>");
  EXPECT_EQ(mathematics_html(""), "");
  EXPECT_EQ(mathematics_html("1e"), "1e");
  EXPECT_EQ(mathematics_html("0x1e5f"), "0x1e5f");
}

}  // namespace
}  // namespace muonflow::report
