# SPDX-License-Identifier: Apache-2.0
# What every CMakeLists.txt of the tree shares: warnings, bodies, tests.
include_guard()

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

option(MUSTER_SANITIZE "AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(MUSTER_COVERAGE "count executed lines" OFF)
option(MUSTER_FUZZ "libFuzzer targets in fuzz/ (clang)" OFF)

# Programs and assertions name files from the top of the tree, not by machine.
add_compile_options("-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=")

if(MUSTER_SANITIZE)
    add_compile_options(-fsanitize=address,undefined
                        -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=address,undefined)
endif()
if(MUSTER_COVERAGE)
    add_compile_options(--coverage)
    add_link_options(--coverage)
endif()
if(MUSTER_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
    add_link_options(-fsanitize=fuzzer-no-link)
endif()

# In C, gcc's -Wconversion leaves signs alone and clang's does not: alike here.
add_library(muster_warnings INTERFACE)
target_compile_options(muster_warnings INTERFACE
    -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes
    -Wmissing-prototypes -Wcast-qual -Wvla -Wundef -Wno-sign-conversion
    -Werror)

# mu_read_list(VAR FILE): the lines of a list file, without comments.
function(mu_read_list var file)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    file(STRINGS ${file} lines)
    list(FILTER lines INCLUDE REGEX "^[^#]")
    set(${var} ${lines} PARENT_SCOPE)
endfunction()

# mu_add_folders(NAME...): the sub-folders that exist and have something to
# build. A folder that is not there is no error: a device tree ships few.
function(mu_add_folders)
    foreach(folder ${ARGV})
        file(GLOB found CONFIGURE_DEPENDS ${folder}/CMakeLists.txt)
        if(found)
            add_subdirectory(${folder})
        endif()
    endforeach()
endfunction()

# mu_body(NAME SOURCES f... [LIBS t...]): a library outside the core. It may
# use POSIX and GNU calls; headers are included from the top ("net/loop.h").
function(mu_body name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBS")
    add_library(${name} STATIC ${arg_SOURCES})
    target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
    target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
    target_link_libraries(${name} PUBLIC muster_core ${arg_LIBS}
                          PRIVATE muster_warnings)
endfunction()

# mu_program(NAME SOURCES f... [LIBS t...])
function(mu_program name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBS")
    add_executable(${name} ${arg_SOURCES})
    target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
    target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}
                               ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(${name} PRIVATE ${arg_LIBS} muster_core
                          muster_warnings)
endfunction()

# mu_test(NAME SOURCES f... [LIBS t...] [TIMEOUT s]): one cmocka program, run
# by ctest from the top of the tree so that it finds tests/vectors/.
function(mu_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "WAITS" "TIMEOUT" "SOURCES;LIBS")
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 60)
    endif()
    mu_program(test_${name} SOURCES ${arg_SOURCES}
               LIBS ${arg_LIBS} PkgConfig::CMOCKA)
    add_test(NAME ${name} COMMAND test_${name}
             WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT})
    # A slot of two for each processor (./run test), or both.
    if(NOT arg_WAITS)
        set_tests_properties(${name} PROPERTIES PROCESSORS 2)
    endif()
endfunction()

# mu_fuzz(NAME SOURCES f... [LIBS t...]): with the preset fuzz a libFuzzer
# program fuzz_NAME, else the same target over fuzz/corpus/NAME as a test.
function(mu_fuzz name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBS")
    if(MUSTER_FUZZ)
        mu_program(fuzz_${name} SOURCES ${arg_SOURCES} LIBS ${arg_LIBS})
        target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
        return()
    endif()
    mu_program(fuzz_${name} SOURCES ${arg_SOURCES}
               ${CMAKE_SOURCE_DIR}/fuzz/replay.c LIBS ${arg_LIBS})
    add_test(NAME fuzz_${name}
             COMMAND fuzz_${name} ${CMAKE_SOURCE_DIR}/fuzz/corpus/${name})
    set_tests_properties(fuzz_${name} PROPERTIES TIMEOUT 60)
endfunction()
