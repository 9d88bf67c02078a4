// What `muonflow flow` writes about a recorded time and about a certificate, and reads back.
#pragma once

#include <string>
#include <vector>

#include "muonflow/flow/certificate.hpp"
#include "muonflow/flow/ledger.hpp"
#include "muonflow/record/reader.hpp"

namespace muonflow::cli {

// Turns recorded times into events; keeps what blocks have dissipated from one to the next.
class FlowEvents {
 public:
  // `spectra`: also the mean singular values of the momenta, per block where there are several.
  explicit FlowEvents(bool spectra) : spectra_(spectra) {}

  // A resumed run's last record, from which the blocks' parts of `dissipated` go on; may be null.
  void go_on(const Json* last);
  Json event(const flow::LedgerEntry& entry);

 private:
  Json blocks_of(const flow::LedgerEntry& entry);

  bool spectra_;
  flow::Statistics before_;         // of the last record; no blocks: there was none
  double total_ = 0;                // dissipated until then
  std::vector<double> dissipated_;  // per block
};

// The events of a folder that hold all that a certificate takes.
std::vector<flow::CertificateSample> certificate_samples(const record::RunReader& run,
                                                         double infimum);

// For the summary; null where there is no certificate, whose reason is then `certificate_note`.
// `weight`: of the smoothed nuclear norm, for the critical epsilon; 0: another geometry.
Json to_json(const flow::Certificate& certificate, double weight);
// One event a record: the Lyapunov function, its decay, what was certified and whether it held.
std::vector<Json> certificate_events(const flow::Certificate& certificate);
// What the program prints.
std::string certificate_text(const Json& certificate);

}  // namespace muonflow::cli
