// Every geometry by name. Adding one: copy the nearest file, add its line here.
#pragma once

#include <memory>
#include <string_view>

#include "muonflow/geometry/chaotic.hpp"
#include "muonflow/geometry/entry.hpp"
#include "muonflow/geometry/frobenius.hpp"
#include "muonflow/geometry/huber_nuclear.hpp"
#include "muonflow/geometry/nuclear.hpp"
#include "muonflow/geometry/relativistic.hpp"
#include "muonflow/geometry/row_norm.hpp"
#include "muonflow/geometry/schatten.hpp"
#include "muonflow/geometry/schatten_quasi.hpp"
#include "muonflow/geometry/sign.hpp"
#include "muonflow/geometry/smoothed_nuclear.hpp"
#include "muonflow/geometry/smoothed_sign.hpp"

namespace muonflow::geometry {

const Registry<GeometryEntry>& geometries();

// Throws ConfigError for an unknown name or option (naming the nearest) or a value out of range;
// `place` says where an option stands, `path` is what goes before its name ("geometry").
template <class T>
std::unique_ptr<Potential<T>> make_potential(std::string_view name, const Json& options,
                                             const PlaceOf& place = {},
                                             const std::string& path = "");

}  // namespace muonflow::geometry
