// How a geometry enrols itself: one line in its own file, and one #include line in geometries.hpp.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "muonflow/core/fields.hpp"
#include "muonflow/core/registry.hpp"
#include "muonflow/geometry/potential.hpp"

namespace muonflow::geometry {

struct GeometryEntry {
  std::string name;
  GeometryInfo info;
  std::vector<FieldInfo> fields;  // its options
  std::unique_ptr<Potential<float>> (*make_float)(const Json&, const PlaceOf&, const std::string&);
  std::unique_ptr<Potential<double>> (*make_double)(const Json&, const PlaceOf&,
                                                    const std::string&);
};

// Where entries are added; read it through geometries().
Registry<GeometryEntry>& geometry_registry();

// P<T> has `static constexpr GeometryInfo kInfo`, `struct Options` with fields(), and a constructor
// from Options.
template <template <class> class P>
struct Enrolled {
  Enrolled() {
    geometry_registry().add({std::string(P<double>::kInfo.name), P<double>::kInfo,
                             describe<typename P<double>::Options>(), &make<float>, &make<double>});
  }

 private:
  template <class T>
  static std::unique_ptr<Potential<T>> make(const Json& options, const PlaceOf& place,
                                            const std::string& path) {
    typename P<T>::Options read_options;
    read(options, read_options, place, path);
    return std::make_unique<P<T>>(read_options);
  }
};

}  // namespace muonflow::geometry
