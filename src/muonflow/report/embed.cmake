# cmake -DOUTPUT=x.cpp -DNAME=kText -DINPUTS=a.js|b.js -P embed.cmake
# Writes a source file that defines std::string_view NAME, the inputs one after the other, byte for
# byte. Run at build time, so that a file installed by another package is never copied into the sources.
string(REPLACE "|" ";" inputs "${INPUTS}")
set(text "")
foreach(input IN LISTS inputs)
  file(READ "${input}" part)
  string(APPEND text "${part}")
endforeach()
string(FIND "${text}" ")muonflow\"" collision)
if(NOT collision EQUAL -1)
  message(FATAL_ERROR "${INPUTS}: contains the delimiter of the raw string it is embedded in")
endif()
file(WRITE "${OUTPUT}" "#include \"muonflow/report/assets.hpp\"

namespace muonflow::report {

const std::string_view ${NAME} = R\"muonflow(${text})muonflow\";

}  // namespace muonflow::report
")
