# Helpers that keep every folder's CMakeLists.txt to a few lines.
include(${CMAKE_CURRENT_LIST_DIR}/dependencies.cmake)
if(FULGUR_PROGRAMS)
  find_package(CLI11 REQUIRED)
  find_package(benchmark REQUIRED)
  pkg_check_modules(EDIT REQUIRED IMPORTED_TARGET libedit)
  pkg_check_modules(HTTPLIB REQUIRED IMPORTED_TARGET cpp-httplib)
  if(BUILD_TESTING)
    find_package(GTest REQUIRED)
  endif()
endif()

# Libraries of the programs that run inside the sandbox or start it: static, because nothing else is there.
pkg_check_modules(LUA REQUIRED lua5.4)
pkg_check_modules(SECCOMP REQUIRED libseccomp)
find_library(FULGUR_LUA_STATIC liblua5.4.a REQUIRED)
find_library(FULGUR_SECCOMP_STATIC libseccomp.a REQUIRED)

add_library(fulgur_options INTERFACE)
target_include_directories(fulgur_options INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_features(fulgur_options INTERFACE cxx_std_20)
# -ffp-contract=off: a fused multiply-add happens where the code says so and nowhere else, so that two
# compilers, two instruction sets and two inlining decisions give the same bits.
target_compile_options(fulgur_options INTERFACE -Wall -Wextra -Wno-unused-parameter $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
                       -ffp-contract=off)
# Vector code is compiled for AVX-512, AVX2 and the baseline, and chosen at run time; what lies between brings nothing.
target_compile_definitions(fulgur_options INTERFACE "HWY_DISABLED_TARGETS=(HWY_SSSE3|HWY_SSE4)")
target_link_libraries(fulgur_options INTERFACE Threads::Threads fmt::fmt)
if(FULGUR_SANITIZE)
  target_compile_options(fulgur_options INTERFACE -fsanitize=${FULGUR_SANITIZE} -fno-sanitize-recover=all
                         -fno-omit-frame-pointer -g)
  target_link_options(fulgur_options INTERFACE -fsanitize=${FULGUR_SANITIZE})
endif()

# fulgur_compile(TARGET WAY): the optimization level of a release build, and the header that is compiled once for all
# targets of this way. With ccache there is no such header: ccache is faster, and could keep nothing that uses one.
#   plain  -O2, base/precompiled.h   rooms whose loops are not the time of a token
#   test   -O1, tests/precompiled.h  tests: compiled a third faster, and not slower to run
if(FULGUR_CCACHE AND NOT DEFINED CMAKE_DISABLE_PRECOMPILE_HEADERS)
  set(CMAKE_DISABLE_PRECOMPILE_HEADERS ON)
endif()
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/precompiled.cc CONTENT "")
function(fulgur_way way level header)
  add_library(precompiled_${way} OBJECT EXCLUDE_FROM_ALL ${PROJECT_BINARY_DIR}/precompiled.cc)
  target_compile_options(precompiled_${way} PUBLIC $<$<CONFIG:Release>:${level}>)
  target_link_libraries(precompiled_${way} PRIVATE fulgur_options nlohmann_json::nlohmann_json ${ARGN})
  target_precompile_headers(precompiled_${way} PRIVATE ${PROJECT_SOURCE_DIR}/${header})
endfunction()
fulgur_way(plain -O2 src/base/precompiled.h)
if(FULGUR_PROGRAMS AND BUILD_TESTING)
  fulgur_way(test -O1 tests/precompiled.h GTest::gmock)
endif()
function(fulgur_compile target way)
  target_compile_options(${target} PRIVATE $<TARGET_PROPERTY:precompiled_${way},INTERFACE_COMPILE_OPTIONS>)
  target_precompile_headers(${target} REUSE_FROM precompiled_${way})
endfunction()

# fulgur_library(NAME DEPS...): the library of this folder from its *.cc (sub-folders named by SUBDIRS included),
# its tests from *_test.cc (one executable, `NAME_test`; a test whose name has Slow in it is labelled slow), and its
# benchmarks from *_bench.cc (one executable, `NAME_bench`). FAST: -O3, the build type's own level.
function(fulgur_library name)
  cmake_parse_arguments(arg "FAST" "" "SUBDIRS;DEPS" ${ARGN})
  set(patterns *.cc)
  foreach(dir ${arg_SUBDIRS})
    list(APPEND patterns ${dir}/*.cc)
  endforeach()
  file(GLOB sources CONFIGURE_DEPENDS ${patterns})
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  set(benches ${sources})
  list(FILTER benches INCLUDE REGEX "_bench\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_(test|bench)\\.cc$")

  if(sources)
    add_library(fulgur_${name} STATIC ${sources})
    target_link_libraries(fulgur_${name} PUBLIC fulgur_options ${arg_DEPS})
    if(NOT arg_FAST)
      fulgur_compile(fulgur_${name} plain)
    endif()
  else()
    add_library(fulgur_${name} INTERFACE)
    target_link_libraries(fulgur_${name} INTERFACE fulgur_options ${arg_DEPS})
  endif()
  if(tests AND FULGUR_PROGRAMS AND BUILD_TESTING)
    fulgur_test(${name}_test SOURCES ${tests} DEPS fulgur_${name})
  endif()
  if(benches AND FULGUR_PROGRAMS)
    add_executable(${name}_bench ${benches})
    target_link_libraries(${name}_bench PRIVATE fulgur_${name} benchmark::benchmark_main)
    target_compile_definitions(${name}_bench PRIVATE FULGUR_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  endif()
endfunction()

# fulgur_test(NAME SOURCES ... DEPS ...): a GoogleTest executable; each TEST is one ctest, suites or tests with
# "Slow" in their name carry the label slow, the rest unit.
if(FULGUR_PROGRAMS)
  include(GoogleTest)
endif()
function(fulgur_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_DEPS} GTest::gmock GTest::gtest_main)
  fulgur_compile(${name} test)
  target_compile_definitions(${name} PRIVATE FULGUR_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  gtest_discover_tests(${name} TEST_PREFIX ${name}. TEST_FILTER "-*Slow*" PROPERTIES LABELS unit TIMEOUT 600
                       DISCOVERY_TIMEOUT 60 DISCOVERY_MODE PRE_TEST NO_PRETTY_VALUES)
  gtest_discover_tests(${name} TEST_PREFIX ${name}.slow. TEST_FILTER "*Slow*" PROPERTIES LABELS slow TIMEOUT 3600
                       DISCOVERY_TIMEOUT 60 DISCOVERY_MODE PRE_TEST NO_PRETTY_VALUES)
endfunction()
