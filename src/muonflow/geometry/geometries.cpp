#include "muonflow/geometry/geometries.hpp"

#include <type_traits>

namespace muonflow::geometry {

Registry<GeometryEntry>& geometry_registry() {
  static Registry<GeometryEntry> registry("geometry");
  return registry;
}

const Registry<GeometryEntry>& geometries() { return geometry_registry(); }

template <class T>
std::unique_ptr<Potential<T>> make_potential(std::string_view name, const Json& options,
                                             const PlaceOf& place, const std::string& path) {
  const std::string kind = path.empty() ? "geometry" : path + ".kind";
  const GeometryEntry& entry = geometries().at(name, place ? place(kind) : kind);
  if constexpr (std::is_same_v<T, float>) {
    return entry.make_float(options, place, path);
  } else {
    return entry.make_double(options, place, path);
  }
}

template std::unique_ptr<Potential<float>> make_potential<float>(std::string_view, const Json&,
                                                                 const PlaceOf&,
                                                                 const std::string&);
template std::unique_ptr<Potential<double>> make_potential<double>(std::string_view, const Json&,
                                                                   const PlaceOf&,
                                                                   const std::string&);

}  // namespace muonflow::geometry
